"""Pictures of images: as text for a terminal, as PNG with matplotlib."""

import math
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import MissingExtraError
from mnistlib.files import publish

_INK = 96  # pixels from this value on are drawn in a terminal, which knows only ink and no ink
_HALVES = np.array([[" ", "▄"], ["▀", "█"]])  # by ink above, ink below
_GAP = 2  # columns between two images


def draw_text(images: NDArray[np.uint8], captions: Sequence[str], *, width: int = 80) -> str:
    """Draw images with half-block characters, two rows of pixels to a line.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, columns)
        Pixels, 0 = background, 255 = ink.
    captions : sequence of str, length n
        Stands below each image, cut to its width.
    width : int, default 80
        Columns of the terminal; as many images stand side by side as fit.

    Returns
    -------
    str
        Lines that end in a newline.

    Examples
    --------
    >>> diagonal = np.diag([255, 255, 255, 255]).astype(np.uint8)
    >>> print(draw_text(diagonal[None], ["slash"]), end="")
    ▀▄
      ▀▄
    slash
    """
    cell = max(images.shape[2], 8)
    per_line = max(1, (width + _GAP) // (cell + _GAP))
    lines = []
    for start in range(0, len(images), per_line):
        pictures = [_half_blocks(image) for image in images[start : start + per_line]]
        lines += [_join(row, cell) for row in zip(*pictures, strict=True)]
        lines.append(_join([caption[:cell] for caption in captions[start : start + per_line]], cell))
    return "".join(f"{line}\n" for line in lines)


def save_png(path: str | os.PathLike[str], images: NDArray[np.uint8], captions: Sequence[str]) -> None:
    """Write a PNG that shows images in a grid.

    Parameters
    ----------
    path : str or PathLike
        The file, written whole or not at all.
    images : ndarray of uint8, shape (n, rows, columns)
        Pixels, 0 = background, 255 = ink.
    captions : sequence of str, length n
        Stands above each image.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    OSError
        If the file can't be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a PNG", "plots") from error
    across = max(1, min(len(images), math.ceil(math.sqrt(len(images) * 1.6))))
    down = max(1, math.ceil(len(images) / across))
    # A Figure of its own, not pyplot's: no window system, no global state.
    figure = Figure(figsize=(1.2 * across, 1.45 * down), dpi=120, layout="constrained")
    cells = figure.subplots(down, across, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, image, caption in zip(cells, images, captions, strict=False):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(caption, fontsize=8)
    with publish(path) as file:
        figure.savefig(file, format="png")


def _half_blocks(image: NDArray[np.uint8]) -> list[str]:
    ink = np.pad((image >= _INK).astype(np.intp), ((0, len(image) % 2), (0, 0)))
    return ["".join(line) for line in _HALVES[ink[::2], ink[1::2]]]


def _join(parts: Sequence[str], cell: int) -> str:
    return (" " * _GAP).join(part.ljust(cell) for part in parts).rstrip()
