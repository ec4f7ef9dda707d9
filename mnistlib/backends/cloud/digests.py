"""Digest of a job's data, by which unchanged data is sent only once."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


class Digests:
    """Digests of files, cached until a file changes: all trials of a sweep have the same files."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, files: Mapping[str, Path]) -> str:
        """Return one SHA-256, in hex, of the names and contents of all files."""
        seen = json.dumps([(name, str(path), *_state_of(path)) for name, path in sorted(files.items())])
        if seen not in self._known:
            digests = {name: _sha256(path) for name, path in sorted(files.items())}
            self._known[seen] = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
        return self._known[seen]


def _state_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
