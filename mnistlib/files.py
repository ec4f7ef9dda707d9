"""Write a file whole or not at all: a temporary name in the same folder, then a rename."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def publish(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when the block ends without an error.

    A kill at any instant leaves the old file or the new one under `path`, never a part. (It may leave a hidden
    ``.NAME.*.part`` beside it.) Of two writers the later one wins, whole. A symbolic link is followed. What is not a
    regular file, such as ``/dev/stdout`` or a named pipe, is written to directly, since it can't be replaced.

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
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: give the name of a file in it")
    if target.exists() and not target.is_file():
        with target.open("wb") as special:
            yield special
        return
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with part.open("x+b") as file:
            yield file
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def publish_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with publish(path) as file:
        file.write(content)
