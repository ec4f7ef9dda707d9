"""Hypothesis strategies for IDX: arrays, headers, whole files and damaged files.

Test your own loader with them in a few lines:

>>> from hypothesis import given
>>> from mnistlib.idx import read_idx as my_loader
>>> from mnistlib.testing import damaged_idx_files, idx_files
>>> @given(idx_files())
... def test_it_reads_every_file(file):
...     np.testing.assert_array_equal(my_loader(file.content), file.array)
>>> @given(damaged_idx_files())
... def test_it_refuses_every_damaged_file(file):
...     try:
...         my_loader(file.content)
...     except ValueError:
...         return
...     raise AssertionError(f"accepted a file with {file.damage}")
>>> test_it_reads_every_file()
>>> test_it_refuses_every_damaged_file()
"""

import math
from collections.abc import Callable, Collection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import MissingExtraError
from mnistlib.testing.files import (
    CODES,
    MAX_SIDE,
    DamagedFile,
    HeaderBytes,
    IdxFile,
    encode_idx,
    gzip_bytes,
    header_bytes,
)

try:
    from hypothesis import reject
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingExtraError("mnistlib.testing", "testing") from error

from mnistlib.testing.damages import DAMAGES, GZIP_DAMAGES, IDX_DAMAGES

__all__ = [
    "DAMAGES",
    "Compression",
    "damaged_idx_files",
    "idx_arrays",
    "idx_dtypes",
    "idx_files",
    "idx_headers",
    "idx_shapes",
]

Compression = Literal["plain", "gzip", "either"]


def idx_dtypes(*, native: bool = False) -> st.SearchStrategy[np.dtype[Any]]:
    """Draw the types that IDX can hold.

    Parameters
    ----------
    native : bool, default False
        Draw only the machine's own byte order.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(idx_dtypes(), lambda dtype: dtype.itemsize == 8).name
    'float64'
    """
    orders = "=" if native else "=<>"
    return st.builds(
        lambda dtype, order: dtype.newbyteorder(order), st.sampled_from(list(CODES)), st.sampled_from(orders)
    )


@st.composite
def idx_shapes(
    draw: st.DrawFn, *, min_dims: int = 0, max_dims: int = 64, max_side: int = 8, max_elements: int = 64
) -> tuple[int, ...]:
    """Draw shapes, sides of zero included.

    Parameters
    ----------
    min_dims, max_dims : int
        Number of dimensions, 0 to 64.
    max_side : int, default 8
        Largest side.
    max_elements : int, default 64
        Largest product of the sides.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(idx_shapes(), lambda shape: len(shape) == 3 and 0 in shape)
    (0, 1, 1)
    """
    sides = [1] * draw(_dimensions(min_dims, max_dims))
    # Six sides that are not 1 suffice, and drawing 64 takes long.
    axes = st.sets(st.integers(0, len(sides) - 1), max_size=6) if len(sides) > 6 else st.just(range(len(sides)))
    for axis in draw(axes):
        sides[axis] = draw(st.integers(1, min(max_side, max_elements // math.prod(sides))))
    # Zeros are set afterwards and only sometimes. Otherwise hardly any array of many dimensions had elements.
    if sides and draw(st.integers(0, 3)) == 3:
        for axis in draw(st.sets(st.integers(0, len(sides) - 1), min_size=1, max_size=2)):
            sides[axis] = 0
    return tuple(sides)


@st.composite
def idx_arrays(
    draw: st.DrawFn,
    *,
    dtypes: st.SearchStrategy[np.dtype[Any]] | None = None,
    shapes: st.SearchStrategy[tuple[int, ...]] | None = None,
    contiguous: bool = True,
) -> NDArray[Any]:
    """Draw arrays that IDX can hold, with every bit pattern, including NaN and infinity.

    Parameters
    ----------
    dtypes : strategy of numpy.dtype, optional
        Types to draw from; by default :func:`idx_dtypes`, any byte order.
    shapes : strategy of tuple of int, optional
        Shapes to draw from; by default :func:`idx_shapes`.
    contiguous : bool, default True
        Draw only C-contiguous, aligned arrays; otherwise also Fortran order, negative and wide strides,
        unaligned and read-only arrays.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(idx_arrays(), lambda array: array.size > 1 and array.any()).tolist()
    [0, 1]
    """
    dtype = draw(idx_dtypes() if dtypes is None else dtypes)
    shape = draw(idx_shapes() if shapes is None else shapes)
    nbytes = math.prod(shape) * dtype.itemsize
    array = np.frombuffer(bytearray(draw(st.binary(min_size=nbytes, max_size=nbytes))), dtype).reshape(shape)
    return array if contiguous else draw(st.sampled_from(_LAYOUTS))(array)


@st.composite
def idx_files(
    draw: st.DrawFn,
    *,
    arrays: st.SearchStrategy[NDArray[Any]] | None = None,
    compression: Compression = "either",
    max_members: int = 1,
) -> IdxFile:
    """Draw whole, well-formed files.

    Parameters
    ----------
    arrays : strategy of ndarray, optional
        Content of the files; by default :func:`idx_arrays`.
    compression : {"plain", "gzip", "either"}
        Whether the files are compressed.
    max_members : int, default 1
        Largest number of members in a gzip file. A reader should accept any number, as gzip(1) does.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(idx_files(compression="plain"), lambda file: file.array.size == 1).content.hex(" ", 4)
    '00 00080000'
    """
    array = draw(idx_arrays() if arrays is None else arrays)
    plain = encode_idx(array)
    compressed = draw(_compressed(compression))
    content = draw(_gzipped(plain, max_members)) if compressed else plain
    return IdxFile(content, array.astype(array.dtype.newbyteorder("=")), compressed)


@st.composite
def idx_headers(draw: st.DrawFn, *, min_dims: int = 0, max_dims: int = 64, max_side: int = MAX_SIDE) -> HeaderBytes:
    """Draw well-formed headers that announce from 0 bytes to far more than any machine's memory.

    No data follows them, so each is false unless ``nbytes`` is 0; append data to test how far a reader trusts it.

    Parameters
    ----------
    min_dims, max_dims : int
        Number of dimensions, 0 to 64.
    max_side : int, default 2**32 - 1
        Largest side.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(idx_headers(), lambda header: header.nbytes > 2**64).nbytes > 2**64
    True
    """
    dtype = draw(idx_dtypes(native=True))
    # The ends of the range matter most, and the sizes where a product overflows 32 bits.
    landmarks = [side for side in (0, 1, 2, 2**16, 2**31, MAX_SIDE) if side <= max_side]
    sides = st.one_of(st.sampled_from(landmarks), st.integers(0, max_side))
    dimensions = draw(_dimensions(min_dims, max_dims))
    shape = tuple(draw(st.lists(sides, min_size=dimensions, max_size=dimensions)))
    return HeaderBytes(header_bytes(CODES[dtype], shape), dtype, shape, math.prod(shape) * dtype.itemsize)


@st.composite
def damaged_idx_files(
    draw: st.DrawFn,
    *,
    arrays: st.SearchStrategy[NDArray[Any]] | None = None,
    compression: Compression = "either",
    damages: Collection[str] | None = None,
) -> DamagedFile:
    """Draw files that a reader must refuse.

    Parameters
    ----------
    arrays : strategy of ndarray, optional
        Content before the damage; by default :func:`idx_arrays`.
    compression : {"plain", "gzip", "either"}
        Whether the files are compressed: valid gzip of damaged IDX, or damaged gzip of valid IDX.
    damages : collection of str, optional
        Damages to draw; by default all possible :data:`DAMAGES`.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(damaged_idx_files(compression="plain", damages=["trailing bytes"]), lambda file: True).content.hex(" ", 4)
    '0000 08000000'
    """
    array = draw(idx_arrays() if arrays is None else arrays)
    compressed = draw(_compressed(compression))
    plain = encode_idx(array)
    possible = {damage: contents(plain, array) for damage, contents in IDX_DAMAGES.items()}
    if compressed:
        possible = {damage: contents.map(gzip_bytes) for damage, contents in possible.items() if contents is not None}
        possible |= {damage: contents(plain) for damage, contents in GZIP_DAMAGES.items()}
    wanted = {
        damage: contents
        for damage, contents in possible.items()
        if contents is not None and (damages is None or damage in damages)
    }
    if not wanted:
        reject()
    damage = draw(st.sampled_from(list(wanted)))
    return DamagedFile(draw(wanted[damage]), damage, compressed, array.astype(array.dtype.newbyteorder("=")))


def _dimensions(least: int, most: int) -> st.SearchStrategy[int]:
    """Draw few dimensions half of the time, as in most files."""
    return st.one_of(st.integers(least, max(least, min(most, 4))), st.integers(least, most))


def _compressed(compression: Compression) -> st.SearchStrategy[bool]:
    return st.booleans() if compression == "either" else st.just(compression == "gzip")


@st.composite
def _gzipped(draw: st.DrawFn, plain: bytes, max_members: int) -> bytes:
    cuts = sorted(draw(st.lists(st.integers(0, len(plain)), max_size=max_members - 1)))
    level = draw(st.sampled_from([6, 1, 0, 9]))
    return b"".join(gzip_bytes(plain[a:b], level) for a, b in zip([0, *cuts], [*cuts, len(plain)], strict=True))


def _fortran(array: NDArray[Any]) -> NDArray[Any]:
    return array.copy(order="F")


def _reversed(array: NDArray[Any]) -> NDArray[Any]:
    backwards = (slice(None, None, -1),) * array.ndim
    return array[backwards].copy()[backwards] if array.ndim else array


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(array[..., np.newaxis], 2, axis=-1)[..., 0] if array.ndim < 64 else array


def _unaligned(array: NDArray[Any]) -> NDArray[Any]:
    content = bytearray(b"\0" + np.ascontiguousarray(array).tobytes())
    return np.frombuffer(content, np.uint8)[1:].view(array.dtype).reshape(array.shape)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


_LAYOUTS: list[Callable[[NDArray[Any]], NDArray[Any]]] = [
    lambda array: array,
    _fortran,
    _reversed,
    _wide,
    _unaligned,
    _read_only,
]
