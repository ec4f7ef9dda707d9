"""IDX bytes to ndarray and back.

IDX is the container that MNIST came in: four magic bytes (``00 00``, a type code, the number of dimensions), one
big-endian unsigned 32-bit size per dimension, then the elements, big-endian, last index fastest, and nothing after
them. This package knows nothing of MNIST.

Reading trusts nothing: a header is believed only as far as bytes follow it, and every byte that is not exactly
one array ends in :class:`~mnistlib.errors.IdxError`.
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
