"""What the first bytes of an IDX file say: the table of types, and the header both ways."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnistlib.errors import IdxError

#: Type code in the magic number -> dtype of the elements as they lie in the file. The one table of this fact.
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

#: First bytes of what people pass by mistake -> what to tell them.
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
    """What an IDX file announces about its one array.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of the elements in the machine's own byte order, as :func:`mnistlib.read_idx` returns them.
    shape : tuple of int
        Sides of the array, 0 to 64 of them.
    nbytes : int
        Bytes of data that must follow the header, uncompressed; a Python integer, so it never wraps.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    nbytes: int

    @property
    def stored_dtype(self) -> "np.dtype[Any]":
        """Type of the elements as they lie in the file: big-endian."""
        return self.dtype.newbyteorder(">")

    @property
    def header_nbytes(self) -> int:
        """Length of the header itself, in bytes: 4 for the magic number and 4 for each side."""
        return _MAGIC_BYTES + _SIZE_BYTES * len(self.shape)


def parse_header(read: Callable[[int], bytes], name: str) -> IdxHeader:
    """Read a header through `read`, a function that returns the next bytes, fewer only at the end.

    Raises
    ------
    IdxError
        If the bytes end early, do not begin with ``00 00``, or name an unknown type or too many dimensions.
    """
    magic = read(_MAGIC_BYTES)
    if not magic:
        raise IdxError(f"{name}: expected an IDX header of at least 4 bytes, found nothing: it is empty")
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
    """Return the header bytes that announce `array`.

    Raises
    ------
    IdxError
        If the format has no type code for the array's dtype, or no room for one of its sides.
    """
    # newbyteorder is refused by dtypes that have none, such as those of variable-width strings.
    code = _CODE_OF_TYPE.get(array.dtype.newbyteorder(">")) if array.dtype.kind in "uif" else None
    if code is None:
        raise IdxError(
            f"IDX has no type for {array.dtype}: convert the array to one of {TYPE_NAMES} first, "
            "for example with array.astype(numpy.int32)"
        )
    if max(array.shape, default=0) > MAX_SIDE:
        raise IdxError(f"IDX holds sides of at most {MAX_SIDE:,}, the array has shape {array.shape}")
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)


def _guess(magic: bytes) -> str:
    for start, advice in _OTHER_FORMATS.items():
        if magic.lower().startswith(start.lower()):
            return f" (this looks like {advice})"
    return ""
