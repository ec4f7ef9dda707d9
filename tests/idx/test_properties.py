"""Facts that hold for every array and every file: a few hundred examples here, some 100,000 in the fuzz environment."""

import gzip
import io
import math
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mnistlib.errors import IdxError
from mnistlib.idx import TYPE_CODES, read_idx, read_idx_header, write_idx
from mnistlib.testing import (
    DamagedFile,
    HeaderBytes,
    IdxFile,
    damaged_idx_files,
    encode_idx,
    idx_arrays,
    idx_files,
    idx_headers,
)


class NarrowStream:
    """Stream that is not seekable and returns only the given number of bytes at a time."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content = io.BytesIO(content)
        self._sizes = sizes

    def read(self, size: int, /) -> bytes:
        self._sizes.append(self._sizes.pop(0))
        return self._content.read(min(size, self._sizes[-1]))


@st.composite
def mutated(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> bytes:
    """Contents with a few bytes changed, put in, taken out or repeated."""
    content = draw(contents)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 8)))
        between = draw(st.one_of(st.binary(max_size=8), st.just(content[start:stop] * 2)))
        content = content[:start] + between + content[stop:]
    return content


def assert_same(array: NDArray[Any], expected: NDArray[Any]) -> None:
    """Same type, shape and bits (so that NaN equals NaN)."""
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    # Made contiguous first: numpy 2.0 can't walk other arrays of more than 32 dimensions.
    assert np.ascontiguousarray(array).tobytes() == np.ascontiguousarray(expected).tobytes()


def assert_read_or_refused(content: bytes) -> None:
    """Read valid bytes, and refuse all others with an IdxError."""
    try:
        plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (EOFError, gzip.BadGzipFile, zlib.error):
        plain = None
    if plain is None or not is_one_array(plain):
        with pytest.raises(IdxError):
            read_idx(content)
        return
    try:
        array = read_idx(content)
    except IdxError as error:
        # Well-formed, and yet beyond numpy: sides too large to count beside one of zero. Or a gzip header whose own
        # checksum is wrong, which isal looks at and zlib does not.
        if not re.search("NumPy does not support|gzip header. Checksums do not match", str(error)):
            raise
    else:
        assert encode_idx(array) == plain


def is_one_array(plain: bytes) -> bool:
    if len(plain) < 4 or plain[:2] != b"\0\0" or plain[2] not in TYPE_CODES or plain[3] > 64:
        return False
    dimensions = plain[3]
    if len(plain) < 4 + 4 * dimensions:
        return False
    shape: tuple[int, ...] = struct.unpack_from(f">{dimensions}I", plain, 4)
    nbytes = math.prod(shape) * TYPE_CODES[plain[2]].itemsize
    return len(plain) == 4 + 4 * dimensions + nbytes


@given(idx_arrays(contiguous=False))
def test_a_written_array_is_read_unchanged(array: NDArray[Any]) -> None:
    stream = io.BytesIO()
    write_idx(stream, array)
    stream.seek(0)
    assert_same(read_idx(stream), array.astype(array.dtype.newbyteorder("=")))


@given(idx_arrays(contiguous=False))
def test_the_written_bytes_are_the_format(array: NDArray[Any]) -> None:
    stream = io.BytesIO()
    write_idx(stream, array)
    assert stream.getvalue() == encode_idx(array)


@given(idx_arrays(contiguous=False))
def test_a_compressed_file_is_reproducible_and_read_unchanged(tmp_path: Path, array: NDArray[Any]) -> None:
    first, second = tmp_path / "first.idx.gz", tmp_path / "second.gz"
    write_idx(first, array)
    write_idx(second, array.copy(order="F"))
    assert first.read_bytes() == second.read_bytes()
    assert_same(read_idx(first), array.astype(array.dtype.newbyteorder("=")))


@given(idx_files(max_members=3))
def test_every_file_is_read(gzip_reader: str, file: IdxFile) -> None:
    array = read_idx(file.content)
    assert_same(array, file.array)
    assert array.flags.carray


@given(idx_files(max_members=3))
def test_every_file_is_read_by_its_path(gzip_reader: str, tmp_path: Path, file: IdxFile) -> None:
    path = tmp_path / "some.idx"
    path.write_bytes(file.content)
    assert_same(read_idx(path), file.array)


@given(idx_files(compression="plain"))
def test_every_plain_file_is_mapped(tmp_path: Path, file: IdxFile) -> None:
    path = tmp_path / "some.idx"
    path.write_bytes(file.content)
    mapped = read_idx(path, mmap=True)
    assert not mapped.flags.writeable
    assert_same(mapped.astype(mapped.dtype.newbyteorder("=")), file.array)


@given(idx_files(max_members=3), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_every_file_is_read_from_a_stream_of_short_reads(gzip_reader: str, file: IdxFile, sizes: list[int]) -> None:
    assert_same(read_idx(NarrowStream(file.content, sizes)), file.array)


@given(idx_headers())
def test_every_header_is_read(header: HeaderBytes) -> None:
    found = read_idx_header(header.content)
    assert (found.dtype, found.shape, found.nbytes) == (header.dtype, header.shape, header.nbytes)


@given(idx_headers(), st.binary(max_size=64), st.booleans())
def test_no_header_is_believed_further_than_data_follow_it(header: HeaderBytes, data: bytes, compress: bool) -> None:
    content = header.content + data
    assert_read_or_refused(gzip.compress(content) if compress else content)


@given(damaged_idx_files())
def test_every_damaged_file_is_refused(gzip_reader: str, file: DamagedFile) -> None:
    with pytest.raises(IdxError):
        read_idx(file.content)
    with pytest.raises(IdxError):
        read_idx(io.BytesIO(file.content))


@given(damaged_idx_files(compression="plain"))
def test_every_damaged_file_is_refused_for_mapping(tmp_path: Path, file: DamagedFile) -> None:
    path = tmp_path / "some.idx"
    path.write_bytes(file.content)
    with pytest.raises(IdxError):
        read_idx(path, mmap=True)


@given(idx_files())
def test_every_truncation_is_refused(file: IdxFile) -> None:
    for length in range(len(file.content)):
        with pytest.raises(IdxError):
            read_idx(file.content[:length])


@given(st.binary(max_size=200))
def test_random_bytes_are_one_array_or_refused(content: bytes) -> None:
    assert_read_or_refused(content)


@given(st.sampled_from(list(TYPE_CODES)), st.integers(0, 3), st.binary(max_size=60))
def test_random_bytes_after_a_magic_number_are_one_array_or_refused(code: int, dimensions: int, rest: bytes) -> None:
    assert_read_or_refused(bytes([0, 0, code, dimensions]) + rest)


@given(st.binary(max_size=100))
def test_random_bytes_after_a_gzip_header_are_one_array_or_refused(gzip_reader: str, rest: bytes) -> None:
    assert_read_or_refused(b"\x1f\x8b\x08" + rest)


@given(mutated(idx_files(max_members=2).map(lambda file: file.content)))
def test_mutated_files_are_one_array_or_refused(gzip_reader: str, content: bytes) -> None:
    assert_read_or_refused(content)


@pytest.mark.mnist
@given(st.data())
def test_mutated_real_files_are_one_array_or_refused(mnist_folder: Path, gzip_reader: str, data: st.DataObject) -> None:
    content = (mnist_folder / "t10k-labels-idx1-ubyte.gz").read_bytes()
    plain = gzip.decompress(content)
    assert_read_or_refused(data.draw(mutated(st.sampled_from([content, plain]))))
