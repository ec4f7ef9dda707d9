"""Plots of images and confusion matrices: as text for a terminal, with matplotlib for a notebook or a file."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import MissingExtraError
from mnistlib.files import publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = 96  # threshold of ink in a terminal, which has no grey levels
_HALVES = np.array([[" ", "▄"], ["▀", "█"]])  # by ink above, ink below
_GAP = 2  # columns between two images
_DPI = 120
_WRONG = "#c81e1e"  # red that is readable in small text
_MOST_NUMBERED = 20  # classes; with more of them, the numbers in a confusion matrix would overlap


def draw_text(images: NDArray[np.uint8], captions: Sequence[str], *, width: int = 80) -> str:
    """Draw images with half-block characters, two rows of pixels to a line.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, columns)
        Pixels, 0 = background, 255 = ink.
    captions : sequence of str, length n
        Text below each image, cut to its width.
    width : int, default 80
        Columns of the terminal, which limit the number of images in a line.

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


def draw_images(
    images: NDArray[np.uint8],
    captions: Sequence[str],
    *,
    wrong: NDArray[np.bool_] | None = None,
    across: int | None = None,
) -> "Figure":
    """Draw images in a grid.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, rows, columns)
        Pixels, 0 = background, 255 = ink.
    captions : sequence of str, length n
        Text above each image.
    wrong : ndarray of bool, shape (n,), optional
        Images to draw in red.
    across : int, optional
        Number of images in a row; by default chosen for a roughly square figure.

    Returns
    -------
    matplotlib.figure.Figure
        Shown by a notebook after ``%matplotlib inline``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    red = np.zeros(len(images), np.bool_) if wrong is None else wrong
    across = max(1, min(len(images), across or math.ceil(math.sqrt(len(images) * 1.6))))
    down = max(1, math.ceil(len(images) / across))
    figure = _figure(1.2 * across, 1.45 * down)
    cells = figure.subplots(down, across, squeeze=False).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, image, caption, is_red in zip(cells, images, captions, red, strict=False):
        ink, letters = ("Reds", _WRONG) if is_red else ("gray_r", "black")
        axes.imshow(image, cmap=ink, vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(caption, fontsize=8, color=letters)
    return figure


def draw_confusion(confusion: NDArray[np.int64], classes: Sequence[str]) -> "Figure":
    """Draw a confusion matrix, with mistakes in red by their share of the images of their class.

    Parameters
    ----------
    confusion : ndarray of int64, shape (k, k)
        Number of images of the row's class that were labelled with the column's class: ``confusion`` of a
        `mnistlib.training.evaluation.Evaluation`.
    classes : sequence of str, length k
        Names of the labels 0, 1, 2 …

    Returns
    -------
    matplotlib.figure.Figure
        Shown by a notebook after ``%matplotlib inline``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    count = len(classes)
    figure = _figure(1.2 + 0.42 * count, 0.9 + 0.42 * count)
    axes = figure.subplots()
    # Correct answers, on the diagonal, are a uniform grey, since their large counts would hide the mistakes.
    right = np.eye(count, dtype=np.bool_)
    shares = np.where(right, 0, confusion) / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    strongest = float(shares.max()) or 1.0
    axes.imshow(np.where(right, 0.1, np.nan), cmap="Greys", vmin=0, vmax=1)
    axes.imshow(np.where(shares > 0, shares, np.nan), cmap="Reds", vmin=0, vmax=strongest)
    if count <= _MOST_NUMBERED:
        for (row, column), number in np.ndenumerate(confusion):
            if number:
                colour = "white" if shares[row, column] > 0.6 * strongest else "black"
                axes.text(column, row, f"{number}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(count), classes, rotation=90 if max(map(len, classes)) > 2 else 0)
    axes.set_yticks(range(count), classes)
    axes.set(xlabel="answer", ylabel="truth")
    return figure


def save_png(path: str | os.PathLike[str], images: NDArray[np.uint8], captions: Sequence[str]) -> None:
    """Write a PNG that shows images in a grid.

    Parameters
    ----------
    path : str or PathLike
        The file, written atomically.
    images, captions
        As in :func:`draw_images`.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    OSError
        If the file can't be written.
    """
    figure = draw_images(images, captions)
    with publish(path) as file:
        figure.savefig(file, format="png")


def _figure(width: float, height: float) -> "Figure":
    """Return an empty figure; width and height are in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("a picture", "plots") from error
    # Figure instead of pyplot: no window system, no global state.
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def _half_blocks(image: NDArray[np.uint8]) -> list[str]:
    ink = np.pad((image >= _INK).astype(np.intp), ((0, len(image) % 2), (0, 0)))
    return ["".join(line) for line in _HALVES[ink[::2], ink[1::2]]]


def _join(parts: Sequence[str], cell: int) -> str:
    return (" " * _GAP).join(part.ljust(cell) for part in parts).rstrip()
