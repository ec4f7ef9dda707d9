"""Preprocessing of a picture as in the training data: scaled to the size of a digit and centred.

MNIST (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/): each digit was scaled to fit 20 x 20 pixels, with
its aspect ratio kept and with anti-aliasing, then placed in 28 x 28 pixels with its centre of mass in the middle.
scikit-learn's digits (Alpaydin and Kaynak, UCI, 1998) fill their 8 x 8 pixels.
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

#: Maximum number of pixels of a PNG file, checked before decompression.
MOST_PIXELS = 16_000_000

_MOST_SIDE = 1024  # pixels; larger pictures are reduced
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = 24  # bytes: the signature, and the first chunk up to the width and height
#: Side of the digit's box as a share of the image's side; 1 means that digits fill the image.
_BOX_SHARE = {(8, 8): 1.0}
_MNIST_BOX_SHARE = 20 / 28
_DEVIATIONS = 6  # median absolute deviations from the background, up to which a pixel is noise


def row_of_png(content: bytes, *, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the image of a PNG file as one row of features.

    The ink may be dark on light, light on dark, or opaque on transparent; the pixels of the border decide which.

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
        The content is not a PNG file ("png"), has too many pixels ("size") or only one colour ("empty").
    MissingExtraError
        If Pillow is not installed.
    """
    return framed(ink_of(content), shape=shape).reshape(1, -1)


def ink_of(content: bytes) -> NDArray[np.float32]:
    """Return the amount of ink of each pixel of a PNG file, from 0 to 1, shape (rows, columns)."""
    picture = _open(content).convert("RGBA")
    # A full-size photograph as floats would take thirty times its memory, without more detail of a digit.
    if (factor := math.ceil(max(picture.size) / _MOST_SIDE)) > 1:
        picture = picture.reduce(factor)
    opaque = np.asarray(picture.getchannel("A"), np.float32)
    if opaque.min() < 255 and np.median(_border(opaque)) < 128:
        ink = opaque
    else:
        grey = np.asarray(picture.convert("L"), np.float32) * (opaque / 255) + (255 - opaque)
        background = np.median(_border(grey))
        # A difference from the background in the other direction is a shadow or a reflection, not ink.
        ink = np.maximum(grey - background if background < 128 else background - grey, 0)
        # The median, since ink may touch the border.
        noise = _DEVIATIONS * np.median(np.abs(_border(grey) - background))
        ink = np.where(ink > noise, ink, 0)
    if ink.max() == 0:
        raise PictureError("the picture has only one colour: send one with a digit", code="empty")
    return np.asarray(ink / ink.max(), np.float32)


def framed(ink: NDArray[np.float32], *, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Scale and centre ink like the training images, into the given shape."""
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
        raise PictureError("the picture is not a PNG file", code="png")
    # Checked here, since Pillow has its own limit and error message.
    columns, rows = struct.unpack(">II", content[16:24])
    if columns * rows > MOST_PIXELS:
        size = f"{columns} x {rows}"
        raise PictureError(f"the picture has {size} pixels, the maximum is {MOST_PIXELS:,}", code="size")
    try:
        picture = Image.open(io.BytesIO(content), formats=("PNG",))
        picture.load()
    except UnidentifiedImageError as error:
        raise PictureError("the PNG file can't be read: its header is damaged", code="png") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises any of these for a damaged file
        raise PictureError(f"the PNG file can't be read: {error}", code="png") from error
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip rather than scale
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
