"""Damages of IDX files, each of which every reader must refuse.

Each function returns the strategy of damaged contents, or None if an array cannot have that damage. `plain` is the
undamaged file, `array` its content.
"""

import gzip
import zlib
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from numpy.typing import NDArray

from mnistlib.idx import TYPE_CODES
from mnistlib.testing.files import MAX_SIDE, gzip_bytes, header_bytes

__all__ = ["DAMAGES", "GZIP_DAMAGES", "IDX_DAMAGES"]

_Damaged = st.SearchStrategy[bytes] | None


def _empty(plain: bytes, array: NDArray[Any]) -> _Damaged:
    return st.just(b"")


def _cut_magic(plain: bytes, array: NDArray[Any]) -> _Damaged:
    return st.integers(1, 3).map(lambda length: plain[:length])


def _cut_sizes(plain: bytes, array: NDArray[Any]) -> _Damaged:
    if not array.ndim:
        return None
    return st.integers(4, 4 + 4 * array.ndim - 1).map(lambda length: plain[:length])


def _cut_between_elements(plain: bytes, array: NDArray[Any]) -> _Damaged:
    if not array.size:
        return None
    return st.integers(1, array.size).map(lambda lost: plain[: len(plain) - lost * array.itemsize])


def _cut_inside_element(plain: bytes, array: NDArray[Any]) -> _Damaged:
    if not array.size or array.itemsize == 1:
        return None
    lost = st.integers(0, array.nbytes - 1).filter(lambda lost: lost % array.itemsize)
    return lost.map(lambda lost: plain[: len(plain) - lost])


def _trailing(plain: bytes, array: NDArray[Any]) -> _Damaged:
    return st.binary(min_size=1, max_size=40).map(lambda more: plain + more)


def _wrong_start(plain: bytes, array: NDArray[Any]) -> _Damaged:
    starts = st.binary(min_size=2, max_size=2).filter(lambda start: start not in {b"\0\0", b"\x1f\x8b"})
    return starts.map(lambda start: start + plain[2:])


def _unknown_type(plain: bytes, array: NDArray[Any]) -> _Damaged:
    codes = st.sampled_from([code for code in range(256) if code not in TYPE_CODES])
    return codes.map(lambda code: plain[:2] + bytes([code]) + plain[3:])


def _too_many_dimensions(plain: bytes, array: NDArray[Any]) -> _Damaged:
    code, data = plain[2], plain[4 + 4 * array.ndim :]
    return st.integers(65, 255).map(lambda dimensions: header_bytes(code, (1,) * dimensions) + data)


def _oversize_side(plain: bytes, array: NDArray[Any]) -> _Damaged:
    """Announce a larger size along one axis, if that announces more data."""
    axes = [axis for axis in range(array.ndim) if 0 not in array.shape[:axis] + array.shape[axis + 1 :]]
    if not axes:
        return None
    return st.sampled_from(axes).flatmap(
        lambda axis: st.integers(array.shape[axis] + 1, MAX_SIDE).map(
            lambda side: plain[: 4 + 4 * axis] + side.to_bytes(4, "big") + plain[8 + 4 * axis :]
        )
    )


def _past_64_bits(plain: bytes, array: NDArray[Any]) -> _Damaged:
    """Announce a product of sizes that overflows 64 bits, in some cases to zero or a small number."""
    code, data = plain[2], plain[4 + 4 * array.ndim :]
    shapes = st.sampled_from([(MAX_SIDE,) * 4, (2**16,) * 4, (2**31, 2**31, 4), (MAX_SIDE, MAX_SIDE, 2)])
    return shapes.map(lambda shape: header_bytes(code, shape) + data)


def _cut_gzip(plain: bytes) -> _Damaged:
    content = gzip_bytes(plain)
    return st.integers(1, len(content) - 1).map(lambda length: content[:length])


def _corrupt_gzip(plain: bytes) -> _Damaged:
    content = gzip_bytes(plain)

    def flip(bit: int) -> bytes:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    # Bits after the header, which the checksum does not protect. Some bits of deflate have no effect either.
    return st.integers(10 * 8, 8 * len(content) - 1).map(flip).filter(lambda damaged: not _is_sound_gzip(damaged))


def _gzip_garbage(plain: bytes) -> _Damaged:
    # Zeros are not garbage: gzip(1) accepts them as padding.
    garbage = st.binary(min_size=1, max_size=40).filter(lambda more: more[0] != 0)
    return garbage.map(lambda more: gzip_bytes(plain) + more).filter(lambda content: not _is_sound_gzip(content))


def _is_sound_gzip(content: bytes) -> bool:
    try:
        gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False
    return True


IDX_DAMAGES: dict[str, Callable[[bytes, NDArray[Any]], _Damaged]] = {
    "an empty file": _empty,
    "a truncated magic number": _cut_magic,
    "truncated sizes": _cut_sizes,
    "data truncated between elements": _cut_between_elements,
    "data truncated inside an element": _cut_inside_element,
    "trailing bytes": _trailing,
    "a wrong start": _wrong_start,
    "an unknown type code": _unknown_type,
    "too many dimensions": _too_many_dimensions,
    "an oversize side": _oversize_side,
    "sizes whose product passes 2**64": _past_64_bits,
}

GZIP_DAMAGES: dict[str, Callable[[bytes], _Damaged]] = {
    "truncated gzip": _cut_gzip,
    "corrupt gzip": _corrupt_gzip,
    "garbage after the gzip data": _gzip_garbage,
}

#: Every damage of :func:`damaged_idx_files`.
DAMAGES: tuple[str, ...] = (*IDX_DAMAGES, *GZIP_DAMAGES)
