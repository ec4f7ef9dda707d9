"""IDX files as bytes: the values of the strategies, and an encoder that is not the writer under test."""

import gzip
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.idx import TYPE_CODES

__all__ = ["CODES", "MAX_SIDE", "DamagedFile", "HeaderBytes", "IdxFile", "encode_idx", "gzip_bytes", "header_bytes"]

CODES = {dtype.newbyteorder("="): code for code, dtype in TYPE_CODES.items()}
MAX_SIDE = 2**32 - 1


@dataclass(frozen=True, eq=False)
class IdxFile:
    """A well-formed IDX file.

    Attributes
    ----------
    content : bytes
        The whole file, compressed or not.
    array : ndarray
        The array that a reader must return, in the machine's byte order.
    compressed : bool
        Whether `content` is gzip.
    """

    content: bytes
    array: NDArray[Any]
    compressed: bool


@dataclass(frozen=True)
class HeaderBytes:
    """A well-formed IDX header with nothing after it.

    Attributes
    ----------
    content : bytes
        The header: magic number and sizes.
    dtype : numpy.dtype
        Announced type of the elements, in the machine's byte order.
    shape : tuple of int
        Announced sides.
    nbytes : int
        Announced bytes of data.
    """

    content: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, eq=False)
class DamagedFile:
    """An IDX file that no reader may accept.

    Attributes
    ----------
    content : bytes
        The whole damaged file.
    damage : str
        The damage: one of :data:`DAMAGES`.
    compressed : bool
        Whether `content` was compressed with gzip, before or after the damage.
    array : ndarray
        The content before the damage.
    """

    content: bytes
    damage: str
    compressed: bool
    array: NDArray[Any]


def encode_idx(array: NDArray[Any]) -> bytes:
    """Return the plain IDX bytes of an array, encoded in the simplest way, as a reference for writers.

    Parameters
    ----------
    array : ndarray
        One of the six types, in any byte order and layout.

    Examples
    --------
    >>> encode_idx(np.array([1, 2], dtype=np.int16)).hex(" ", 4)
    '00000b01 00000002 00010002'
    """
    stored = np.asarray(array, array.dtype.newbyteorder(">"))
    return header_bytes(CODES[array.dtype.newbyteorder("=")], array.shape) + np.ascontiguousarray(stored).tobytes()


def header_bytes(code: int, shape: tuple[int, ...]) -> bytes:
    """Return the header of a file: magic number and sizes."""
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def gzip_bytes(content: bytes, level: int = 6) -> bytes:
    """Return content compressed as one gzip member, with the same bytes at any time."""
    return gzip.compress(content, level, mtime=0)
