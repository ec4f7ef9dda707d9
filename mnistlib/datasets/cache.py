"""Cache of uncompressed IDX bytes by digest, so that the second load of a compressed file is a memory map.

Layout of the platform's cache folder::

    mnistlib/v1/raw/<SHA-256 of the raw bytes>.idx      uncompressed bytes
    mnistlib/v1/seen/<SHA-256 of the file's path>.json  size, time and digests of a file

A note in ``seen`` is valid while the file and its raw bytes have the noted sizes and times; otherwise it is created
again. The cache can be deleted at any time; the next load is then slower. A change of the layout requires a new folder
name in place of ``v1``.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import DataError, IdxError
from mnistlib.files import publish_bytes
from mnistlib.idx import read_idx, write_idx
from mnistlib.idx.format import format_header

_LAYOUT = "v1"
_log = logging.getLogger("mnistlib")


@dataclass(frozen=True)
class RawFile:
    """Array of one IDX file, with its SHA-256 digests in hexadecimal."""

    array: NDArray[np.uint8]  # read-only
    raw_sha256: str  # of the raw IDX bytes
    stored_sha256: str  # of the stored file, compressed or not


@dataclass(frozen=True)
class _Note:
    """Digests of a file, with the file's size and time when they were computed."""

    path: str
    stamp: tuple[int, int]
    raw_path: str
    raw_stamp: tuple[int, int]
    raw_sha256: str
    stored_sha256: str


def load_raw(path: Path) -> RawFile:
    """Read an IDX file of unsigned bytes through the cache.

    An uncompressed file is mapped directly, and only its digest is cached. If the cache cannot be written, loading
    still works but is slower.

    Raises
    ------
    IdxError
        If the file is not valid IDX.
    DataError
        If the elements are not unsigned bytes.
    OSError
        If the file cannot be read.
    """
    path = path.resolve()
    note_path = _cache_folder() / "seen" / f"{hashlib.sha256(bytes(path)).hexdigest()}.json"
    known = _from_note(path, note_path)
    if known:
        return known
    with path.open("rb") as file:
        stamp = _stamp(path)
        stored_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    array = read_idx(path)
    if array.dtype != np.uint8:
        raise DataError(f"{path}: expected unsigned bytes, found {array.dtype}; write array.astype(numpy.uint8)")
    raw_sha256 = digest(array)
    try:
        raw_path = path if raw_sha256 == stored_sha256 else _store(array, raw_sha256)
        note = _Note(str(path), stamp, str(raw_path), _stamp(raw_path), raw_sha256, stored_sha256)
        note_path.parent.mkdir(parents=True, exist_ok=True)
        publish_bytes(note_path, json.dumps(asdict(note)).encode())
    except OSError as error:
        _log.warning("cannot cache %s, so the next load will be as slow as this one: %s", path, error)
    return RawFile(array, raw_sha256, stored_sha256)


def digest(array: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of the raw IDX bytes of an array, in hexadecimal."""
    state = hashlib.sha256(format_header(array))
    state.update(np.ascontiguousarray(array).reshape(-1).data)
    return state.hexdigest()


def _cache_folder() -> Path:
    import platformdirs  # imported here, since it takes 14 ms and only loading needs it

    return platformdirs.user_cache_path("mnistlib") / _LAYOUT


def _from_note(path: Path, note_path: Path) -> RawFile | None:
    """Map the raw bytes named in a note, or return None if the note is not valid."""
    try:
        content: dict[str, Any] = json.loads(note_path.read_bytes())
        note = _Note(**content)
        if (
            note.path == str(path)
            and _stamp(path) == tuple(note.stamp)
            and _stamp(Path(note.raw_path)) == tuple(note.raw_stamp)
        ):
            return RawFile(read_idx(note.raw_path, mmap=True), note.raw_sha256, note.stored_sha256)
    except (OSError, ValueError, TypeError) as error:  # missing, truncated, or written by another version
        _log.debug("no usable note in the cache for %s: %s", path, error)
    return None


def _store(array: NDArray[np.uint8], raw_sha256: str) -> Path:
    raw_path = _cache_folder() / "raw" / f"{raw_sha256}.idx"
    if not _holds(raw_path, raw_sha256):
        raw_path.parent.mkdir(parents=True, exist_ok=True)
        write_idx(raw_path, array)
    return raw_path


def _holds(raw_path: Path, raw_sha256: str) -> bool:
    """Return whether the raw bytes are in the cache already, from a file with the same content, and intact."""
    try:
        return digest(read_idx(raw_path)) == raw_sha256
    except (OSError, IdxError):
        return False


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
