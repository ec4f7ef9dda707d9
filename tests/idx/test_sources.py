import array
import fcntl
import gzip
import io
import mmap
import os
import socket
import struct
import subprocess
import sys
import termios
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlib.errors import IdxError
from mnistlib.idx import read_idx, read_idx_header
from mnistlib.testing import encode_idx

EXPECTED = np.arange(-6, 6, dtype=np.int32).reshape(3, 4)
PLAIN = encode_idx(EXPECTED)
COMPRESSED = gzip.compress(PLAIN, mtime=0)


@pytest.fixture(params=["plain", "gzip"])
def content(request: pytest.FixtureRequest, gzip_reader: str) -> bytes:
    return PLAIN if request.param == "plain" else COMPRESSED


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "some.idx"
    path.write_bytes(content)
    return path


class Stream:
    """Only ``read``, through a function of one's own."""

    def __init__(self, content: bytes, read: Callable[[io.BytesIO, int], Any]) -> None:
        self._bytes = io.BytesIO(content)
        self._read = read
        self.returned = 0

    def read(self, size: int, /) -> Any:
        data = self._read(self._bytes, size)
        self.returned += len(data or b"")
        return data


class PathLike:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@contextmanager
def written_by_a_thread(descriptor: int, content: bytes) -> Iterator[None]:
    def write() -> None:
        with open(descriptor, "wb", buffering=0) as file:
            file.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    yield
    thread.join()


def test_a_path_as_text(path: Path) -> None:
    np.testing.assert_array_equal(read_idx(str(path)), EXPECTED)


def test_a_path_object(path: Path) -> None:
    np.testing.assert_array_equal(read_idx(path), EXPECTED)


def test_any_path_like_object(path: Path) -> None:
    np.testing.assert_array_equal(read_idx(PathLike(path)), EXPECTED)


def test_a_path_that_is_not_utf8(tmp_path: Path, content: bytes) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.idx")
    Path(path).write_bytes(content)
    np.testing.assert_array_equal(read_idx(path), EXPECTED)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda content: array.array("B", content)])
def test_bytes_like(kind: Callable[[bytes], Any], content: bytes) -> None:
    np.testing.assert_array_equal(read_idx(kind(content)), EXPECTED)


def test_a_memoryview_of_other_elements() -> None:
    np.testing.assert_array_equal(read_idx(memoryview(PLAIN).cast("I")), EXPECTED)


def test_bytes_like_is_left_as_it_was(content: bytes) -> None:
    source = bytearray(content)
    read_idx(source)[:] = 0
    assert source == content
    source.clear()  # refused by Python while a view of it is held


def test_a_bytes_stream(content: bytes) -> None:
    np.testing.assert_array_equal(read_idx(io.BytesIO(content)), EXPECTED)


@pytest.mark.parametrize("buffering", [-1, 0, 1 << 16])
def test_an_open_file(path: Path, buffering: int) -> None:
    with path.open("rb", buffering=buffering) as file:
        np.testing.assert_array_equal(read_idx(file), EXPECTED)
        assert not file.closed


def test_a_stream_is_read_from_where_it_stands(content: bytes) -> None:
    stream = io.BytesIO(b"before" + content)
    stream.seek(6)
    np.testing.assert_array_equal(read_idx(stream), EXPECTED)
    assert not stream.read()
    assert not stream.closed


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_a_stream_of_short_reads(content: bytes, most: int) -> None:
    stream = Stream(content, lambda stored, size: stored.read(min(size, most)))
    np.testing.assert_array_equal(read_idx(stream), EXPECTED)


@pytest.mark.parametrize("extra", [1, 5, 10_000])
def test_a_stream_that_returns_more_than_asked(content: bytes, extra: int) -> None:
    stream = Stream(content, lambda stored, size: stored.read(size + extra))
    np.testing.assert_array_equal(read_idx(stream), EXPECTED)


def test_a_memoryview_with_steps() -> None:
    np.testing.assert_array_equal(read_idx(memoryview(PLAIN[::-1])[::-1]), EXPECTED)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_stream_that_returns_another_bytes_like(content: bytes, kind: Callable[[bytes], Any]) -> None:
    stream = Stream(content, lambda stored, size: kind(stored.read(size)))
    np.testing.assert_array_equal(read_idx(stream), EXPECTED)


def test_trailing_bytes_are_seen_in_a_stream_that_returns_more_than_asked() -> None:
    stream = Stream(PLAIN + b"\0", lambda stored, size: stored.read())
    with pytest.raises(IdxError, match="trailing bytes"):
        read_idx(stream)


def test_a_pipe(content: bytes) -> None:
    reading, writing = os.pipe()
    with written_by_a_thread(writing, content), os.fdopen(reading, "rb") as pipe:
        assert not pipe.seekable()
        np.testing.assert_array_equal(read_idx(pipe), EXPECTED)


def test_a_named_pipe_opened_by_its_path(tmp_path: Path, content: bytes) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    np.testing.assert_array_equal(read_idx(fifo), EXPECTED)
    thread.join()


def test_gzip_is_recognised_in_a_named_pipe_if_its_first_byte_comes_alone(tmp_path: Path, gzip_reader: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:
        with fifo.open("wb", buffering=0) as pipe:
            pipe.write(COMPRESSED[:1])
            while unread(pipe.fileno()):
                os.sched_yield()
            pipe.write(COMPRESSED[1:])

    def unread(descriptor: int) -> int:
        answer = fcntl.ioctl(descriptor, termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    thread = threading.Thread(target=write)
    thread.start()
    np.testing.assert_array_equal(read_idx(fifo), EXPECTED)
    thread.join()


@pytest.mark.parametrize("bufsize", [-1, 0])
def test_the_output_of_a_process(path: Path, bufsize: int) -> None:
    command = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=bufsize) as process:
        assert process.stdout is not None
        np.testing.assert_array_equal(read_idx(process.stdout), EXPECTED)


def test_a_socket(content: bytes) -> None:
    here, there = socket.socketpair()
    with written_by_a_thread(there.detach(), content), here, here.makefile("rb", buffering=0) as stream:
        np.testing.assert_array_equal(read_idx(stream), EXPECTED)


def test_a_mapped_file(path: Path) -> None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        np.testing.assert_array_equal(read_idx(mapped), EXPECTED)


def test_a_member_of_a_zip_archive(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("some.idx", content)
        with archive.open("some.idx") as member:
            np.testing.assert_array_equal(read_idx(member), EXPECTED)


def test_the_callers_own_gzip_stream(tmp_path: Path) -> None:
    with gzip.open(io.BytesIO(COMPRESSED)) as stream:
        np.testing.assert_array_equal(read_idx(stream), EXPECTED)


def test_damage_in_the_callers_own_gzip_stream(gzip_reader: str) -> None:
    with gzip.open(io.BytesIO(COMPRESSED[:-3])) as stream, pytest.raises(IdxError, match="<stream>: damaged gzip"):
        read_idx(stream)


def test_a_stream_without_data_ready_is_refused() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as writer, os.fdopen(reading, "rb", buffering=0) as pipe:
        os.set_blocking(reading, False)
        writer.write(PLAIN[:14])
        with pytest.raises(IdxError, match="non-blocking"):
            read_idx(pipe)


@pytest.mark.parametrize("read", [read_idx, read_idx_header])
def test_a_text_file_is_refused_with_advice(path: Path, read: Callable[..., Any]) -> None:
    with path.open(encoding="utf-8") as file, pytest.raises(TypeError, match="binary mode"):
        read(file)


def test_a_stream_that_returns_text_is_refused_with_advice() -> None:
    with pytest.raises(TypeError, match="binary mode"):
        read_idx(Stream(b"", lambda stored, size: "text"))


@pytest.mark.parametrize("source", [None, 3, ["a"]])
def test_anything_else_is_refused_by_its_type(source: Any) -> None:
    with pytest.raises(TypeError, match=type(source).__name__):
        read_idx(source)


def test_an_error_of_the_stream_itself_is_passed_on() -> None:
    def fail(stored: io.BytesIO, size: int) -> bytes:
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        read_idx(Stream(b"", fail))


@pytest.mark.parametrize("read", [read_idx, read_idx_header])
def test_a_missing_file_stays_file_not_found(tmp_path: Path, read: Callable[..., Any]) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.idx"):
        read(tmp_path / "missing.idx")


@pytest.mark.parametrize("read", [read_idx, read_idx_header])
def test_a_folder_stays_is_a_directory(tmp_path: Path, read: Callable[..., Any]) -> None:
    with pytest.raises(IsADirectoryError):
        read(tmp_path)


@pytest.mark.parametrize(
    ("source", "name"),
    [(PLAIN[:-1], "<bytes>"), (io.BytesIO(PLAIN[:-1]), "<stream>"), (COMPRESSED[:-1], "<bytes>")],
    ids=["bytes", "stream", "compressed bytes"],
)
def test_a_message_names_the_source(source: Any, name: str) -> None:
    with pytest.raises(IdxError, match=f"^{name}: "):
        read_idx(source)


def test_a_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "short.idx"
    path.write_bytes(PLAIN[:-1])
    with pytest.raises(IdxError, match=f"^{path}: "):
        read_idx(path)
    with path.open("rb") as file, pytest.raises(IdxError, match=f"^{path}: "):
        read_idx(file)


@pytest.mark.parametrize("name", ["a.gz", "a.idx", "a.idx.gz", "noname"])
def test_gzip_is_recognised_independent_of_the_name(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    np.testing.assert_array_equal(read_idx(path), EXPECTED)


@pytest.mark.parametrize("cut", [0, 1, 2, 4, 9, 20, len(PLAIN)])
def test_gzip_may_have_several_members(gzip_reader: str, cut: int) -> None:
    content = gzip.compress(PLAIN[:cut]) + gzip.compress(PLAIN[cut:])
    np.testing.assert_array_equal(read_idx(content), EXPECTED)
    np.testing.assert_array_equal(read_idx(io.BytesIO(content)), EXPECTED)


@pytest.mark.parametrize("count", [1, 2, 511, 100_000])
def test_zeros_after_gzip_are_padding(gzip_reader: str, count: int) -> None:
    np.testing.assert_array_equal(read_idx(COMPRESSED + b"\0" * count), EXPECTED)


def test_a_gzip_header_may_hold_all_that_is_optional(gzip_reader: str) -> None:
    header = COMPRESSED[:3] + bytes([2 | 4 | 8 | 16]) + COMPRESSED[4:10] + b"\x04\0abcd" + b"name\0" + b"comment\0"
    checksum = struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    np.testing.assert_array_equal(read_idx(header + checksum + COMPRESSED[10:]), EXPECTED)


@pytest.mark.parametrize("zeros", [0, 3])
def test_garbage_after_gzip_is_refused(gzip_reader: str, zeros: int) -> None:
    with pytest.raises(IdxError, match="damaged gzip"):
        read_idx(COMPRESSED + b"\0" * zeros + b"garbage")


@pytest.mark.parametrize("at", range(-8, 0))
def test_a_wrong_checksum_or_length_in_the_gzip_trailer_is_refused(gzip_reader: str, at: int) -> None:
    content = bytearray(COMPRESSED)
    content[at] ^= 0x10
    with pytest.raises(IdxError, match="damaged gzip"):
        read_idx(content)


def test_damaged_gzip_keeps_the_original_error(gzip_reader: str) -> None:
    with pytest.raises(IdxError) as caught:
        read_idx(COMPRESSED[:-1])
    assert isinstance(caught.value.__cause__, EOFError)


def test_gzip_inside_gzip_is_not_idx(gzip_reader: str) -> None:
    with pytest.raises(IdxError, match="begin with 00 00, found 1f 8b"):
        read_idx(gzip.compress(COMPRESSED))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 5)])
def test_a_header_takes_its_own_bytes_from_a_stream_and_no_more(shape: tuple[int, ...]) -> None:
    stream = Stream(encode_idx(np.zeros(shape, np.int16)) + bytes(1000), lambda stored, size: stored.read(size))
    assert read_idx_header(stream).shape == shape
    assert stream.returned == 4 + 4 * len(shape)


def test_a_header_is_read_from_a_pipe_that_stays_open(gzip_reader: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as writer, os.fdopen(reading, "rb") as pipe:
        writer.write(PLAIN[:12])
        assert read_idx_header(pipe).shape == (3, 4)


def test_a_header_takes_little_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "huge.idx"
    path.write_bytes(bytes.fromhex("00000801 ffffffff"))
    os.truncate(path, 8 + 2**32 - 1)  # sparse: to read it would take seconds
    assert read_idx_header(path).nbytes == 2**32 - 1


@pytest.mark.parametrize("valid", [True, False])
def test_a_stream_that_can_seek_is_left_where_it_was_by_reading_the_header(valid: bool) -> None:
    stream = io.BytesIO(b"before" + (PLAIN if valid else b"bad"))
    stream.seek(6)
    if valid:
        read_idx_header(stream)
    else:
        with pytest.raises(IdxError):
            read_idx_header(stream)
    assert stream.tell() == 6
