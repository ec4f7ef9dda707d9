"""Images of an IDX request."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import IdxError
from mnistlib.idx import read_idx, read_idx_header
from mnistlib.serving.refusals import Refusal


def rows_of_idx(content: bytes, *, width: int, shape: tuple[int, int] | None, most_bytes: int) -> NDArray[Any]:
    """Return the images of IDX bytes, plain or gzip, as uint8 pixels from 0 to 255, shape (n, width); n may be 0.

    `shape` is the rows and columns of an image, and `width` its number of pixels. `most_bytes` is the maximum size of
    the array, checked before it is decompressed. Raise Refusal: 400 for a body that is not IDX, 413 for too many
    images, 422 for an array of another type or shape.
    """
    try:
        header = read_idx_header(content)
        if header.nbytes > most_bytes:
            raise Refusal(
                413,
                "size",
                f"the IDX array has {header.nbytes:,} bytes, the maximum is {most_bytes:,}",
                where="body",
            )
        pixels = read_idx(content)
    except IdxError as error:
        raise Refusal(400, "idx", f"the body is not one IDX array: {error}", where="body") from error
    if pixels.dtype != np.uint8:
        raise Refusal(422, "type", f"the IDX array holds {pixels.dtype}, expected unsigned bytes", where="body")
    if shape is None:
        raise Refusal(422, "shape", f"the model takes no images: send JSON with rows of {width} numbers", where="body")
    if pixels.shape == shape:
        pixels = pixels[np.newaxis]
    if pixels.shape[1:] not in (shape, (width,)):
        raise Refusal(
            422,
            "shape",
            f"the IDX array is of shape {pixels.shape}, expected (n, {shape[0]}, {shape[1]}), for any number n",
            where="body",
        )
    return pixels.reshape(len(pixels), math.prod(shape))
