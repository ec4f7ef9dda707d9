"""Hypothesis strategies for your own tests: all inputs that an IDX loader may get.

:func:`~mnistlib.testing.idx_arrays`
    Arrays that IDX can hold: six types, any byte order, 0 to 64 dimensions, zero sides.
:func:`~mnistlib.testing.idx_files`
    Whole files, plain and gzip, with their array.
:func:`~mnistlib.testing.idx_headers`
    Headers without data, with the type and shape that they announce.
:func:`~mnistlib.testing.damaged_idx_files`
    Files that a loader must refuse, each with the name of its damage.
:func:`~mnistlib.testing.encode_idx`
    The plain bytes of an array, from an encoder that is not the writer under test.

`mnistlib.testing.contract` is the suite of tests that every backend passes, for backends of your own.

Needs the ``testing`` extra.
"""

from mnistlib.testing.files import DamagedFile, HeaderBytes, IdxFile, encode_idx
from mnistlib.testing.strategies import (
    DAMAGES,
    Compression,
    damaged_idx_files,
    idx_arrays,
    idx_dtypes,
    idx_files,
    idx_headers,
    idx_shapes,
)

__all__ = [
    "DAMAGES",
    "Compression",
    "DamagedFile",
    "HeaderBytes",
    "IdxFile",
    "damaged_idx_files",
    "encode_idx",
    "idx_arrays",
    "idx_dtypes",
    "idx_files",
    "idx_headers",
    "idx_shapes",
]
