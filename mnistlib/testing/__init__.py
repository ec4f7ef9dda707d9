"""Hypothesis strategies for tests of IDX loaders.

:func:`~mnistlib.testing.strategies.idx_arrays`
    Arrays that IDX can hold: six types, any byte order, 0 to 64 dimensions, zero sides.
:func:`~mnistlib.testing.strategies.idx_files`
    Whole files, plain and gzip, with the array that they hold.
:func:`~mnistlib.testing.strategies.idx_headers`
    Headers without data, with the type and shape that they announce.
:func:`~mnistlib.testing.strategies.damaged_idx_files`
    Files that a loader must refuse, each with a description of the damage.
:func:`~mnistlib.testing.strategies.encode_idx`
    The IDX bytes of an array, made without the writer under test.

Needs the ``testing`` extra.
"""

from mnistlib.testing.strategies import (
    DAMAGES,
    Compression,
    DamagedFile,
    HeaderBytes,
    IdxFile,
    damaged_idx_files,
    encode_idx,
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
