"""Atomic writing of files: a temporary name in the same folder, then a rename."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

#: Paths of files that a process has open. They are written directly, since the process would not see a replacement.
_OPEN_FILES = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")

_MIN_RESERVATION = 1 << 20  # bytes; for a smaller file, reserving takes longer than writing


@contextmanager
def publish(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file for writing, and rename it to `path` if the block ends without an error.

    A kill at any time leaves the complete old or new file at `path`, and possibly a hidden ``.NAME.*.part`` in the
    folder. With two writers, the later complete file replaces the earlier. A symbolic link is followed. A file that is
    not regular, such as a named pipe or ``/dev/stdout``, cannot be replaced and is written directly.

    Parameters
    ----------
    path : str or PathLike
        Final name of the file. Its folder must exist.

    Yields
    ------
    binary file
        File open for writing, reading and seeking.

    Raises
    ------
    OSError
        If the file cannot be written; the temporary file is removed.
    """
    given = Path(path)
    if given.is_dir():
        raise IsADirectoryError(f"{given} is a folder: pass the path of a file")
    # Check the given path, not its target: if /dev/stdout is a pipe, the link's target has no real path.
    if (given.exists() and not given.is_file()) or given.as_posix().startswith(_OPEN_FILES):
        with given.open("wb") as special:
            yield special
        return
    target = Path(os.path.realpath(given))
    # Names are limited in bytes, not in characters.
    stem = target.name.encode(errors="ignore")[:200].decode(errors="ignore")
    part = target.with_name(f".{stem}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with part.open("x+b") as file:
            yield file
        part.replace(target)
    except BaseException as error:
        with suppress(OSError):  # the first error is the informative one
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(part)):
            error.filename = str(target)  # the name given by the caller
            del error.filename2  # set to None, it would still appear in the message
        raise


def is_unfinished(name: str) -> bool:
    """Return whether a name, ``.NAME.part``, is that of an unfinished file or folder."""
    return name.startswith(".") and name.endswith(".part")


def reserve(file: BinaryIO, size: int) -> None:
    """Reserve disk space for a new file of `size` bytes.

    With a reservation, a full disk is detected before the first write, and writing is faster. If reserving is not
    supported (for pipes, on some file systems, and outside Linux), the function does nothing.

    Raises
    ------
    OSError
        If the disk has too little space.
    """
    if size < _MIN_RESERVATION or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


def publish_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with publish(path) as file:
        file.write(content)
