"""Memory use: at most one copy, and at most twice the real size of the data, for any size in the header."""

import gzip
import io
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlib.errors import IdxError
from mnistlib.idx import read_idx, write_idx
from mnistlib.testing import encode_idx

MIB = 1 << 20
BUFFERS = 13 * MIB // 4  # of reading, independent of the file's size; Python's own gzip reader uses the most


def peak(function: Callable[[], Any]) -> int:
    """Peak of allocated bytes, with numpy's, while `function` runs (imports that it does are done before)."""
    read_idx(gzip.compress(encode_idx(np.zeros(1, np.uint8))))
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A file of 24 MiB that does not compress."""
    return encode_idx(np.random.default_rng(5).integers(-(2**31), 2**31, (6, MIB), np.int32))


class TestReading:
    def test_a_plain_file_takes_its_result_alone(self, tmp_path: Path, noise: bytes) -> None:
        path = tmp_path / "some.idx"
        path.write_bytes(noise)
        assert peak(lambda: read_idx(path)) < len(noise) + MIB

    def test_bytes_take_their_result_alone(self, noise: bytes) -> None:
        assert peak(lambda: read_idx(noise)) < len(noise) + MIB

    def test_a_gzip_file_takes_its_result_alone(self, gzip_reader: str, tmp_path: Path, noise: bytes) -> None:
        path = tmp_path / "some.idx.gz"
        path.write_bytes(gzip.compress(noise, 1))
        assert peak(lambda: read_idx(path)) < len(noise) + BUFFERS

    @pytest.mark.parametrize("compress", [bytes, lambda content: gzip.compress(content, 1)])
    def test_a_stream_takes_at_most_twice_its_data(self, noise: bytes, compress: Callable[[bytes], bytes]) -> None:
        stream = io.BytesIO(compress(noise))
        assert peak(lambda: read_idx(stream)) < 2 * len(noise)

    def test_a_stream_that_returns_everything_at_once_takes_at_most_twice_its_data(self, noise: bytes) -> None:
        class Greedy:
            def __init__(self) -> None:
                self._content = io.BytesIO(noise)

            def read(self, size: int, /) -> bytes:
                return self._content.read()

        # The file itself, which the stream returned, is no part of it.
        assert peak(lambda: read_idx(Greedy())) < 2 * len(noise)

    @pytest.mark.parametrize("compress", [bytes, gzip.compress])
    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("shape", [(2**32 - 1,), (2**32 - 1,) * 4, (2**16,) * 4, (2**30,)])
    def test_a_false_header_takes_no_more_memory_than_its_data(
        self, compress: Callable[[bytes], bytes], stream: bool, shape: tuple[int, ...]
    ) -> None:
        content = compress(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(MIB))

        def read() -> None:
            with pytest.raises(IdxError, match="truncated data"):
                read_idx(io.BytesIO(content) if stream else content)

        assert peak(read) < 2 * MIB + BUFFERS

    def test_a_forged_gzip_trailer_takes_no_more_than_an_ordinary_file_of_that_length(self, gzip_reader: str) -> None:
        claimed = 2**29
        content = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", claimed) + np.random.default_rng(1).bytes(MIB))
        forged = content[:-4] + struct.pack("<I", 8 + claimed)

        def read() -> None:
            with pytest.raises(IdxError):
                read_idx(forged)

        assert peak(read) < 2 * MIB + BUFFERS

    def test_a_false_header_in_a_valid_gzip_file_takes_no_more_memory_than_its_data(self, gzip_reader: str) -> None:
        claimed = 9 * MIB  # not more than such a file might hold
        content = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", claimed) + np.random.default_rng(1).bytes(MIB))

        def read() -> None:
            with pytest.raises(IdxError, match="truncated data"):
                read_idx(content)

        assert peak(read) < 2 * MIB + BUFFERS

    def test_gzip_that_expands_past_its_header_is_not_expanded(self, gzip_reader: str) -> None:
        compressor = zlib.compressobj(1, wbits=31)
        content = compressor.compress(encode_idx(np.zeros(10, np.uint8)))
        content += b"".join(compressor.compress(bytes(MIB)) for _ in range(200)) + compressor.flush()

        def read() -> None:
            with pytest.raises(IdxError, match="trailing bytes"):
                read_idx(content)

        assert peak(read) < BUFFERS


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
@pytest.mark.parametrize("reader", [pytest.param("isal", marks=pytest.mark.needs("isal")), "zlib"])
@pytest.mark.parametrize("kind", ["plain", "gzip", "forged", "bomb"])
def test_a_lying_file_is_refused_in_a_process_with_little_memory(
    run_python: Callable[..., Any], tmp_path: Path, kind: str, reader: str
) -> None:
    claimed = 16 * 2**30
    content = struct.pack(">BBBBII", 0, 0, 8, 2, 16, 2**30) + bytes(MIB)
    path = tmp_path / "lies.idx"
    if kind == "bomb":  # an honest, small array, and then 300 MiB
        compressor = zlib.compressobj(1, wbits=31)
        content = compressor.compress(encode_idx(np.zeros(10, np.uint8)))
        content += b"".join(compressor.compress(bytes(MIB)) for _ in range(300)) + compressor.flush()
    elif kind != "plain":
        content = gzip.compress(content)
    if kind == "forged":
        content = content[:-4] + struct.pack("<I", (12 + claimed) % 2**32)
    path.write_bytes(content)
    code = """
import resource, sys
import mnistlib.idx
if sys.argv[2] == "zlib":
    sys.modules["isal"] = None
else:
    import isal.igzip
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
try:
    mnistlib.idx.read_idx(sys.argv[1])
except mnistlib.errors.IdxError as error:
    print("refused:", error)
"""
    result = run_python(code, path, reader)
    assert result.stdout.startswith(f"refused: {path}: "), result.stderr


class TestWriting:
    @pytest.mark.parametrize(
        "layout",
        [
            lambda array: array,
            lambda array: array.T,
            lambda array: array[::-1, ::2],
            lambda array: array.astype(">i4"),
            lambda array: array.astype(">i4").T,
            lambda array: array.view(np.uint8).T,
        ],
    )
    def test_no_second_copy_of_the_array_is_made(self, tmp_path: Path, layout: Callable[[Any], Any]) -> None:
        array = layout(np.ones((6, MIB), np.int32))
        assert peak(lambda: write_idx(tmp_path / "some.idx", array)) < 8 * MIB

    def test_a_map_is_copied_from_file_to_file_without_being_read_whole(self, tmp_path: Path, noise: bytes) -> None:
        (tmp_path / "a.idx").write_bytes(noise)
        mapped = read_idx(tmp_path / "a.idx", mmap=True)
        assert peak(lambda: write_idx(tmp_path / "b.idx", mapped)) < MIB
        assert (tmp_path / "b.idx").stat().st_size == len(noise)
