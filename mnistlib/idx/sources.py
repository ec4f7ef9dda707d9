"""The many things an IDX array can be read from, all made into one stream of uncompressed bytes."""

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from mnistlib.errors import IdxError

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20  # bytes asked for at a time where nothing says how many will come

_TEXT_ADVICE = "the stream gives text: open the file in binary mode, 'rb'"

# A gzip trailer is believed up to this expansion, twice that of MNIST: memory for what it claims beyond is taken
# only as the bytes come, or a small file with a forged trailer could ask for a thousand times its size.
_CREDIBLE_EXPANSION = 10


class BinaryStream(Protocol):
    """A stream of bytes: all that is asked of it is ``read``."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes; none at the end."""
        ...


IdxSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryStream


@dataclass(frozen=True)
class OpenSource:
    """An open source of IDX bytes.

    Attributes
    ----------
    stream : BufferedReader
        The bytes, uncompressed.
    name : str
        What error messages call it.
    compressed : bool
        Whether the bytes come out of gzip.
    length : int or None
        How many uncompressed bytes there are, where that is known for certain.
    gzip_length : int or None
        The length modulo 2**32 that the gzip trailer claims. It may lie: another member may follow, or anything.
    stored_length : int or None
        How many bytes are stored, compressed or not, where that is known.
    """

    stream: "io.BufferedReader[Any]"
    name: str
    compressed: bool
    length: int | None
    gzip_length: int | None
    stored_length: int | None

    @property
    def descriptor(self) -> int | None:
        """The descriptor of a regular file in which the bytes lie as they are; None where there is no such file."""
        in_file = self.length is not None and isinstance(self.stream.raw, io.FileIO)
        return self.stream.fileno() if in_file else None

    def vouches_for(self, nbytes: int) -> bool:
        """Whether it is credible, before reading them, that there are `nbytes` bytes."""
        if self.compressed:
            return (
                self.stored_length is not None
                and self.gzip_length == nbytes % 2**32
                and nbytes <= self.stored_length * _CREDIBLE_EXPANSION
            )
        return self.length == nbytes


@contextmanager
def open_source(source: IdxSource) -> Iterator[OpenSource]:
    """Open a path, bytes or a binary stream; gzip is recognised by its first bytes.

    A stream is read from where it stands and left open.

    Raises
    ------
    IdxError
        When what is read inside the block turns out to be damaged gzip.
    FileNotFoundError, OSError
        When a path can't be opened.
    TypeError
        When `source` is none of these.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:  # noqa: PTH123 - a path may be any PathLike
            yield from _decompressed(file, os.fsdecode(source), _regular_length(file))
    elif _has_read(source):
        name = getattr(source, "name", None)
        yield from _decompressed(source, name if name and isinstance(name, str) else "<stream>", None)
    else:
        view = _bytes_view(source)
        yield from _decompressed(io.BufferedReader(_BytesReader(view)), "<bytes>", view.nbytes)


def _decompressed(source: Any, name: str, length: int | None) -> Iterator[OpenSource]:
    """Open `source`, a seekable file of a known length or else any stream, through gzip where that is needed."""
    try:
        stored: Any = _StreamReader(source) if length is None else source
        if stored.peek(2)[:2] != GZIP_MAGIC:
            yield OpenSource(stored, name, False, length, None, length)
            return
        trailer = None
        if length is None:
            stored = io.BufferedReader(stored, CHUNK)
        else:
            stored.seek(-min(4, length), os.SEEK_END)
            trailer = int.from_bytes(stored.read(4), "little")
            stored.seek(0)
        with _gzip_reader()(fileobj=stored) as stream:
            yield OpenSource(stream, name, True, None, trailer, length)
    except Exception as error:
        # Also what a caller's own decompressing stream raises, such as one from gzip.open.
        if isinstance(error, _damage()):
            raise IdxError(
                f"{name}: damaged gzip data, or other bytes after it: {error}. Fetch or compress the file again"
            ) from error
        raise


def _gzip_reader() -> Any:
    """Return the fastest gzip reader that is installed."""
    try:
        from isal import igzip
    except ImportError:
        return gzip.GzipFile
    return igzip.IGzipFile


def _damage() -> tuple[type[Exception], ...]:
    """Return what the gzip readers raise on damaged data."""
    damage: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error)
    try:
        from isal import igzip_lib
    except ImportError:
        return damage
    return (*damage, cast(type[Exception], igzip_lib.IsalError))  # isal's stubs call the class an instance


def _regular_length(file: "io.BufferedReader[Any]") -> int | None:
    """Return a regular file's length; a pipe or a device has none that can be known."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _has_read(source: object) -> bool:
    return not isinstance(source, bytes | bytearray | memoryview) and hasattr(source, "read")


def _bytes_view(source: object) -> memoryview:
    try:
        view = memoryview(cast(bytes, source))
        return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    except TypeError as error:
        raise TypeError(
            f"expected a path, bytes or a binary stream to read IDX from, not {type(source).__name__}"
        ) from error


class _BytesReader(io.RawIOBase):
    """A raw stream over bytes that copies nothing until it is read."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._view.nbytes}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        part = self._view[self._position : self._position + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)


class _StreamReader(io.RawIOBase):
    """A raw stream over any object with ``read``, that never asks it for more than it was asked for itself.

    It fills each request unless the stream ends, so that nobody above sees a short read.
    """

    def __init__(self, stream: Any) -> None:
        if isinstance(stream, io.TextIOBase):
            raise TypeError(_TEXT_ADVICE)
        self._stream = stream
        self._surplus = memoryview(b"")  # of a read that returned more than was asked for

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end, and keep them for the next read."""
        first = self._next(size)
        while len(first) < size and (more := self._next(size - len(first))):
            first = memoryview(bytes(first) + bytes(more))
        self._surplus = first
        return bytes(first[:size])

    def readinto(self, buffer: Any, /) -> int:
        filled = 0
        while filled < len(buffer) and (data := self._next(len(buffer) - filled)):
            taken = data[: len(buffer) - filled]
            self._surplus = data[len(taken) :]
            buffer[filled : filled + len(taken)] = taken
            filled += len(taken)
        return filled

    def _next(self, size: int) -> memoryview:
        """Return what is left of the last read, or else of a new one, however long the stream made it."""
        if self._surplus:
            surplus, self._surplus = self._surplus, memoryview(b"")
            return surplus
        data = self._stream.read(size)
        if data is None:
            raise IdxError("the stream has no data ready: it is in non-blocking mode, which can't be read whole")
        if isinstance(data, str):
            raise TypeError(_TEXT_ADVICE)
        return memoryview(data)
