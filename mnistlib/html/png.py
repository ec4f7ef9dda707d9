"""Images and weights as inline PNG, without a plotting library."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from mnistlib.html.elements import Html, element

#: Colours of positive and negative weights, distinct for red-green colour-blind readers.
FOR, AGAINST = (47, 115, 242), (240, 100, 16)

_COLOUR_TYPES = {2: 4, 4: 6}  # channels -> colour type of PNG: grey with alpha, RGB with alpha
_CLIPPED = 97  # percentile of the weights that gets full colour: weights of rarely inked pixels are far larger


def png(pixels: NDArray[np.uint8]) -> bytes:
    r"""Return a PNG.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns, 2) or (rows, columns, 4)
        Grey and opacity, or red, green, blue and opacity.

    Notes
    -----
    W3C, Portable Network Graphics (PNG) Specification, third edition, sections 5 and 11.

    Examples
    --------
    >>> png(np.zeros((2, 2, 2), np.uint8))[:4]
    b'\x89PNG'
    """
    rows, columns, channels = pixels.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    # Each row begins with the number of its filter: none.
    lines = np.pad(pixels.reshape(rows, -1), ((0, 0), (1, 0)))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def digit(image: NDArray[np.uint8], *, alt: str) -> Html:
    """Return an image as black ink on a transparent background, so that it fits any page.

    Parameters
    ----------
    image : ndarray of uint8, shape (rows, columns)
        0 = background, 255 = ink.
    alt : str
        Alternative text.
    """
    return _picture(np.stack([np.zeros_like(image), image], axis=-1), alt=alt, class_="ink")


def weight_map(values: NDArray[np.float64], *, strongest: float, alt: str) -> Html:
    """Return weights as colours, from transparent for 0 to opaque for `strongest`.

    Parameters
    ----------
    values : ndarray of floats, shape (rows, columns)
        The weights.
    strongest : float
        The weight, above 0, that gets full colour; see :func:`strongest_of`.
    alt : str
        Alternative text.
    """
    opacity = np.clip(np.abs(values) / strongest, 0, 1) * 255
    colours = np.where(values[..., None] > 0, FOR, AGAINST)
    return _picture(np.dstack([colours, opacity.round()]).astype(np.uint8), alt=alt)


def strongest_of(values: NDArray[np.float64]) -> float:
    """Return the weight that gets full colour, one for all classes so that they can be compared."""
    return float(np.percentile(np.abs(values), _CLIPPED)) or 1.0


def _picture(pixels: NDArray[np.uint8], *, alt: str, class_: str | None = None) -> Html:
    data = base64.b64encode(png(pixels)).decode()
    return element("img", src=f"data:image/png;base64,{data}", alt=alt, class_=class_)
