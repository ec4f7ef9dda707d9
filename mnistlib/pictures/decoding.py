"""A picture as the model was trained on: scaled to the size of a digit and centred.

What MNIST's makers did with each digit (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/): scaled into a box
of 20 x 20 pixels with its proportions kept and its edges smoothed, then laid into 28 x 28 pixels so that the centre of
its mass lies in their middle. The digits that scikit-learn ships (Alpaydin and Kaynak, UCI, 1998) fill
their 8 x 8 pixels.
"""

import io
import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import MissingExtraError, PictureError

if TYPE_CHECKING:
    from PIL.Image import Image

#: More pixels than that are refused before they are unpacked.
MOST_PIXELS = 16_000_000

_MOST_SIDE = 1024  # pixels; of a larger picture, as many are made one as it takes
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = 24  # bytes: the signature, and the first chunk as far as columns and rows
#: Share of the image's side that the digit's box has, where the digit is centred by its mass; 1 for those that fill it.
_BOX_SHARE = {(8, 8): 1.0}
_MNIST_BOX_SHARE = 20 / 28
_DEVIATIONS = 6  # median ones: what is nearer to the background is grain of the paper


def row_of_png(content: bytes, *, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the one image of a PNG file as the model takes it.

    The ink may be dark on light, light on dark, or whatever is not transparent; which of them, the border tells.

    Parameters
    ----------
    content : bytes
        A PNG file of any size and depth.
    shape : tuple of int
        Rows and columns of the model's images.

    Returns
    -------
    ndarray of float64, shape (1, rows * columns)
        0 = background … 1 = ink.

    Raises
    ------
    PictureError
        The content is no PNG file ("png"), has too many pixels ("size") or one colour only ("empty").
    MissingExtraError
        If Pillow is not installed.
    """
    return framed(ink_of(content), shape=shape).reshape(1, -1)


def ink_of(content: bytes) -> NDArray[np.float32]:
    """Return where a PNG file has ink and how much, from 0 to 1, shape (rows, columns)."""
    picture = _open(content).convert("RGBA")
    # A photograph's pixels as numbers would take thirty times its memory, and say no more of a digit.
    if (factor := math.ceil(max(picture.size) / _MOST_SIDE)) > 1:
        picture = picture.reduce(factor)
    opaque = np.asarray(picture.getchannel("A"), np.float32)
    if opaque.min() < 255 and np.median(_border(opaque)) < 128:
        ink = opaque
    else:
        grey = np.asarray(picture.convert("L"), np.float32) * (opaque / 255) + (255 - opaque)
        background = np.median(_border(grey))
        # What differs from the background to the other side of it is a shadow or a gleam, no ink.
        ink = np.maximum(grey - background if background < 128 else background - grey, 0)
        # The median again, since ink may touch the border.
        noise = _DEVIATIONS * np.median(np.abs(_border(grey) - background))
        ink = np.where(ink > noise, ink, 0)
    if ink.max() == 0:
        raise PictureError("the picture is of one colour: there is nothing to read", code="empty")
    return np.asarray(ink / ink.max(), np.float32)


def framed(ink: NDArray[np.float32], *, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return ink scaled and centred as the training images were, of that shape."""
    share = _BOX_SHARE.get(shape, _MNIST_BOX_SHARE)
    digit = _scaled(_cropped(ink), round(min(shape) * share))
    centre = [side / 2 for side in digit.shape] if share == 1 else _centre_of_mass(digit)
    image = np.zeros(shape)
    placed = []
    for side, length, middle in zip(shape, digit.shape, centre, strict=True):
        placed.append(int(np.clip(round(side / 2 - middle), 0, side - length)))
    top, left = placed
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image


def _open(content: bytes) -> "Image":
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("Reading PNG files", "serve") from error
    if not content.startswith(_SIGNATURE) or len(content) < _HEAD:
        raise PictureError("the picture is no PNG file", code="png")
    # Asked before Pillow is, which has a limit of its own, and words of its own for it.
    columns, rows = struct.unpack(">II", content[16:24])
    if columns * rows > MOST_PIXELS:
        size = f"{columns} x {rows}"
        raise PictureError(f"the picture has {size} pixels, at most {MOST_PIXELS:,} are taken", code="size")
    try:
        picture = Image.open(io.BytesIO(content), formats=("PNG",))
        picture.load()
    except UnidentifiedImageError as error:
        raise PictureError("the PNG file can't be read: its header is damaged", code="png") from error
    except (OSError, SyntaxError, ValueError) as error:  # each is said of a damaged file
        raise PictureError(f"the PNG file can't be read: {error}", code="png") from error
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off rather than scale
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture


def _border(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _cropped(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scaled(digit: NDArray[np.float32], box: int) -> NDArray[np.float32]:
    from PIL import Image

    factor = box / max(digit.shape)
    rows, columns = (max(1, round(side * factor)) for side in digit.shape)
    scaled = Image.fromarray(digit).resize((columns, rows), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(scaled, np.float32), 0, 1)


def _centre_of_mass(digit: NDArray[np.float32]) -> tuple[float, float]:
    total = digit.sum()
    rows, columns = (np.arange(side) for side in digit.shape)
    return float(digit.sum(axis=1) @ rows / total), float(digit.sum(axis=0) @ columns / total)
