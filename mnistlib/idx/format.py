"""Header of an IDX file: the table of types, parsing and formatting."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistlib.errors import IdxError

#: Type code in the magic number -> dtype of the elements in the file.
TYPE_CODES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}

_CODE_OF_TYPE = {dtype: code for code, dtype in TYPE_CODES.items()}
TYPE_NAMES = ", ".join(dtype.name for dtype in TYPE_CODES.values())

MAX_DIMENSIONS = 64  # numpy's limit; the format's own is 255
MAX_SIDE = 2**32 - 1

_MAGIC_BYTES = 4
_SIZE_BYTES = 4

#: First bytes of other formats that users may pass by mistake -> hint for the error message.
_OTHER_FORMATS = {
    b"PK": "a zip archive: extract it first",
    b"BZh": "bzip2: decompress it first",
    b"\xfd7zX": "xz: decompress it first",
    b"\x93NUM": "a NumPy .npy file: use numpy.load",
    b"<!DO": "a web page, so probably a failed download",
    b"<htm": "a web page, so probably a failed download",
}


@dataclass(frozen=True)
class IdxHeader:
    """Header of an IDX file.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of the elements in native byte order, as returned by :func:`mnistlib.read_idx`.
    shape : tuple of int
        Shape of the array, with 0 to 64 dimensions.
    nbytes : int
        Number of uncompressed data bytes after the header; a Python integer, so it cannot overflow.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    nbytes: int

    @property
    def stored_dtype(self) -> "np.dtype[Any]":
        """Type of the elements in the file: big-endian."""
        return self.dtype.newbyteorder(">")

    @property
    def header_nbytes(self) -> int:
        """Length of the header in bytes: 4 for the magic number and 4 for each dimension."""
        return _MAGIC_BYTES + _SIZE_BYTES * len(self.shape)


def parse_header(read: Callable[[int], bytes], name: str) -> IdxHeader:
    """Parse a header from `read`, a function that returns the next bytes, fewer only at the end of the data.

    Raises
    ------
    IdxError
        If the header is truncated, does not begin with ``00 00``, or has an unknown type or too many dimensions.
    """
    magic = read(_MAGIC_BYTES)
    if not magic:
        raise IdxError(f"{name}: expected an IDX header of at least 4 bytes, found 0: the data is empty")
    if not b"\0\0".startswith(magic[:2]):
        raise IdxError(f"{name}: expected an IDX file to begin with 00 00, found {magic.hex(' ')}{_guess(magic)}")
    if len(magic) < _MAGIC_BYTES:
        raise IdxError(f"{name}: truncated header: expected 4 bytes of magic number, found {len(magic)}")
    code, dimensions = magic[2], magic[3]
    if code not in TYPE_CODES:
        known = ", ".join(f"0x{known:02X} {dtype.name}" for known, dtype in TYPE_CODES.items())
        raise IdxError(f"{name}: unknown type code 0x{code:02X} in the header: expected one of {known}")
    if dimensions > MAX_DIMENSIONS:
        raise IdxError(f"{name}: expected at most {MAX_DIMENSIONS} dimensions, found {dimensions}")
    sizes = read(_SIZE_BYTES * dimensions)
    if len(sizes) < _SIZE_BYTES * dimensions:
        raise IdxError(
            f"{name}: truncated header: expected {_SIZE_BYTES * dimensions} bytes for the sizes of "
            f"{dimensions} dimensions, found {len(sizes)}"
        )
    shape = struct.unpack(f">{dimensions}I", sizes)
    dtype = TYPE_CODES[code].newbyteorder("=")
    return IdxHeader(dtype, shape, math.prod(shape) * dtype.itemsize)


def format_header(array: "np.ndarray[Any, Any]") -> bytes:
    """Return the header bytes of an array.

    Raises
    ------
    IdxError
        If IDX has no type code for the dtype, or a dimension is too large for the format.
    """
    # Some dtypes, such as variable-width strings, do not support newbyteorder.
    code = _CODE_OF_TYPE.get(array.dtype.newbyteorder(">")) if array.dtype.kind in "uif" else None
    if code is None:
        raise IdxError(
            f"IDX has no type for {array.dtype}: convert the array to one of {TYPE_NAMES} first, "
            "for example with array.astype(numpy.uint8), the type of images and labels"
        )
    if max(array.shape, default=0) > MAX_SIDE:
        raise IdxError(f"IDX supports dimensions of at most {MAX_SIDE:,}, the array has shape {array.shape}")
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)


def _guess(magic: bytes) -> str:
    for start, advice in _OTHER_FORMATS.items():
        if magic.lower().startswith(start.lower()):
            return f" (this looks like {advice})"
    return ""
