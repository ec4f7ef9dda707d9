"""Conversion of IDX bytes to ndarray and back.

IDX is the file format of MNIST: four magic bytes (``00 00``, a type code, the number of dimensions), one big-endian
unsigned 32-bit size per dimension, then the elements, big-endian, last index fastest. No bytes may follow. This package
does not depend on MNIST.

Reading is strict: memory is allocated only for data that exists, and bytes that are not exactly one array raise
:class:`~mnistlib.errors.IdxError`.
"""

from mnistlib.idx.format import TYPE_CODES, IdxHeader
from mnistlib.idx.reading import load_data, read_idx, read_idx_header
from mnistlib.idx.sources import IdxSource
from mnistlib.idx.writing import IdxTarget, write_idx

__all__ = [
    "TYPE_CODES",
    "IdxHeader",
    "IdxSource",
    "IdxTarget",
    "load_data",
    "read_idx",
    "read_idx_header",
    "write_idx",
]
