"""Write a file whole or not at all: a temporary name in the same folder, then a rename."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

#: Names of files that a process has open already. To replace one would cut off whoever opened it.
_OPEN_FILES = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")

_WORTH_RESERVING = 1 << 20  # bytes: what is smaller is written before the reservation is


@contextmanager
def publish(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when the block ends without an error.

    A kill at any instant leaves the old file or the new one under `path`, never a part. (It may leave a hidden
    ``.NAME.*.part`` beside it.) Of two writers the later one wins, whole. A symbolic link is followed. What is not a
    regular file, such as a named pipe, is written to directly, since it can't be replaced; so is ``/dev/stdout``.

    Parameters
    ----------
    path : str or PathLike
        The file's final name. Its folder must exist.

    Yields
    ------
    binary file
        Open for writing, reading back and seeking.

    Raises
    ------
    OSError
        Whatever the system says of the folder or the disk; nothing is left behind then.
    """
    given = Path(path)
    if given.is_dir():
        raise IsADirectoryError(f"{given} is a folder: give the name of a file in it")
    # Asked of the path as given: where /dev/stdout is a pipe, what it links to has no real path.
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
        with suppress(OSError):  # of the two, the first error says what is wrong
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(part)):
            error.filename = str(target)  # the name that the caller knows
            del error.filename2  # which, set to None, would be told of
        raise


def is_unfinished(name: str) -> bool:
    """Whether a file or folder of this name is still being made, or was left by a kill: ``.NAME.part``."""
    return name.startswith(".") and name.endswith(".part")


def reserve(file: BinaryIO, size: int) -> None:
    """Ask the disk at once for all the room of a new file that will be `size` bytes long.

    A full disk says so before anything is written, and the system writes faster into room that it knows of. Where
    nothing can be reserved (a pipe, some file systems, other systems than Linux) nothing happens.

    Raises
    ------
    OSError
        If there is no room.
    """
    if size < _WORTH_RESERVING or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


def publish_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with publish(path) as file:
        file.write(content)
