"""Sources of IDX arrays, each opened as a stream of uncompressed bytes."""

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
CHUNK = 1 << 20  # bytes to read at a time if the total is unknown

_TEXT_ADVICE = "the stream returns text: open the file in binary mode, 'rb'"

# The size in a gzip trailer is trusted up to this expansion, twice that of MNIST. For a larger size, memory is
# allocated only as bytes are read, since a small file with a forged trailer could claim a thousand times its size.
_CREDIBLE_EXPANSION = 10


class BinaryStream(Protocol):
    """Stream of bytes with a ``read`` method."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes; an empty result at the end."""
        ...


IdxSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryStream


@dataclass(frozen=True)
class OpenSource:
    """Open source of IDX bytes.

    Attributes
    ----------
    stream : BufferedReader
        Uncompressed bytes.
    name : str
        Name in error messages.
    compressed : bool
        Whether the source is compressed by gzip.
    length : int or None
        Number of uncompressed bytes; None if unknown.
    gzip_length : int or None
        Uncompressed length modulo 2**32 in the gzip trailer. It may be wrong, for example with several members.
    stored_length : int or None
        Number of stored bytes, compressed or not; None if unknown.
    """

    stream: "io.BufferedReader[Any]"
    name: str
    compressed: bool
    length: int | None
    gzip_length: int | None
    stored_length: int | None

    @property
    def descriptor(self) -> int | None:
        """File descriptor of a regular, uncompressed file; None for other sources."""
        in_file = self.length is not None and isinstance(self.stream.raw, io.FileIO)
        return self.stream.fileno() if in_file else None

    def confirms_size(self, nbytes: int) -> bool:
        """Return whether the known sizes make `nbytes` uncompressed bytes credible, before reading them."""
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

    A stream is read from its current position and left open.

    Raises
    ------
    IdxError
        If gzip data read inside the block is damaged.
    FileNotFoundError, OSError
        If a path cannot be opened.
    TypeError
        If `source` is of another type.
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
    """Open `source`, a seekable file of known length or any stream, and decompress it if it is gzip."""
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
        # These errors may also come from the caller's own decompressing stream, such as one from gzip.open.
        if isinstance(error, _gzip_errors()):
            raise IdxError(
                f"{name}: damaged gzip data, or other bytes after it: {error}. Download or compress the file again"
            ) from error
        raise


def _gzip_reader() -> Any:
    """Return the fastest gzip reader that is installed."""
    try:
        from isal import igzip
    except ImportError:
        return gzip.GzipFile
    return igzip.IGzipFile


def _gzip_errors() -> tuple[type[Exception], ...]:
    """Return the exception types of the gzip readers for damaged data."""
    errors: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error)
    try:
        from isal import igzip_lib
    except ImportError:
        return errors
    return (*errors, cast(type[Exception], igzip_lib.IsalError))  # isal's stubs declare the class as an instance


def _regular_length(file: "io.BufferedReader[Any]") -> int | None:
    """Return the length of a regular file; None for a pipe or a device."""
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
    """Raw stream over bytes, without a copy before reading."""

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
    """Raw stream over any object with ``read``, which never requests more bytes than its own caller.

    Every read returns the requested number of bytes, except at the end of the stream.
    """

    def __init__(self, stream: Any) -> None:
        if isinstance(stream, io.TextIOBase):
            raise TypeError(_TEXT_ADVICE)
        self._stream = stream
        self._surplus = memoryview(b"")  # bytes that a read returned beyond the requested size

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end, without consuming them."""
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
        """Return the rest of the last read, or the result of a new read, which may be shorter or longer than `size`."""
        if self._surplus:
            surplus, self._surplus = self._surplus, memoryview(b"")
            return surplus
        data = self._stream.read(size)
        if data is None:
            raise IdxError("the stream has no data ready: non-blocking streams are not supported, use blocking mode")
        if isinstance(data, str):
            raise TypeError(_TEXT_ADVICE)
        return memoryview(data)
