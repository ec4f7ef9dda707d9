"""Model registry in a folder, for any number of processes at once.

::

    names/<name>/<version>.json   entry of a version, or a mark that it was deleted
    blobs/<sha256>                the models' files, without duplicates
    lock                          held during changes; reading needs no lock

All writes are atomic, a version's file before its entry. So a process that is killed leaves either the whole version or
no visible trace, and the operating system releases its lock.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from mnistlib.errors import ModelError, ModelNotFoundError
from mnistlib.files import publish_bytes
from mnistlib.models.artifact import ModelDescription
from mnistlib.models.interfaces import Models, Registration, Services
from mnistlib.models.version import ModelVersion, require_model_name

_DELETED = {"deleted": True}

#: Fields that an entry stores unchanged.
_STORED = [field.name for field in fields(ModelVersion) if field.name not in ("origin", "read", "services")]


class ModelRegistry(Models):
    """Model registry in a folder.

    Parameters
    ----------
    folder : Path
        The folder, created when the first model is registered.
    services : Services, optional
        Services to which its models can be deployed.

    Examples
    --------
    >>> import mnistlib, tempfile
    >>> backend = mnistlib.LocalBackend(tempfile.mkdtemp())
    >>> run = backend.submit(mnistlib.TrainJob(dataset="digits", regularization=0.5))
    >>> run.wait()
    <RunStatus.COMPLETED: 'completed'>
    >>> run.register_model("sklearn_mnist", tags={"stage": "trial"}).id
    'sklearn_mnist:1'
    >>> model = backend.models.get("sklearn_mnist").load()
    >>> model.predict(mnistlib.load_dataset("digits").test.images[:2])
    array([5, 0], dtype=uint8)
    """

    def __init__(self, folder: Path, services: Services | None = None) -> None:
        self.folder = folder
        self._services = services

    def register(self, registration: Registration) -> ModelVersion:
        """Register a model under the next version number of its name; see :meth:`Registrar.register`."""
        require_model_name(registration.name)
        blob = self._blob(registration.sha256)
        with self._locked():
            version = ModelVersion(
                name=registration.name,
                version=next(iter(self._numbers(registration.name)), 0) + 1,
                sha256=registration.sha256,
                metrics=dict(registration.metrics),
                run_id=registration.run_id,
                description=registration.description,
                tags=dict(registration.tags),
                created=datetime.now(UTC).isoformat(timespec="milliseconds"),
                file=PurePosixPath(registration.file).name,
                origin=registration.origin,
                read=partial(_read, blob),
                services=self._services,
            )
            # Written even if it exists already, to repair a damaged copy.
            publish_bytes(blob, registration.content)
            self._write(version)
        return version

    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Return all versions, of one name or of all; see :meth:`Models.list`."""
        if name is not None:
            require_model_name(name)
        return [
            version
            for known in (self._names() if name is None else [name])
            for number in self._numbers(known)
            if (version := self._read(known, number))
        ]

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """Return one version, by default the newest; see :meth:`Models.get`."""
        require_model_name(name)
        for number in self._numbers(name) if version is None else [version]:
            found = self._read(name, number)
            if found:
                return found
        raise ModelNotFoundError(self.not_found_message(name, version, str(self.folder)))

    def delete(self, name: str, version: int) -> None:
        """Delete one version permanently; see :meth:`Models.delete`."""
        with self._locked():
            self.get(name, version)
            # The entry stays, so that the number is not used again.
            publish_bytes(self._entry(name, version), json.dumps(_DELETED).encode())
            self._remove_unused()

    def _remove_unused(self) -> None:
        """Remove files without a version, also those of killed processes."""
        used = {version.sha256 for version in self.list()}
        for blob in (self.folder / "blobs").iterdir():
            if blob.name not in used:
                blob.unlink()

    def _write(self, version: ModelVersion) -> None:
        origin = version.origin and asdict(version.origin)
        content = {name: getattr(version, name) for name in _STORED} | {"origin": origin}
        entry = self._entry(version.name, version.version)
        entry.parent.mkdir(parents=True, exist_ok=True)
        publish_bytes(entry, json.dumps(content, indent=2).encode())

    def _read(self, name: str, number: int) -> ModelVersion | None:
        """Return a version; None if it does not exist or was deleted."""
        entry = self._entry(name, number)
        try:
            content: dict[str, Any] = json.loads(entry.read_bytes())
            if content == _DELETED:
                return None
            origin = content["origin"] and ModelDescription.from_content(content["origin"])
            blob = self._blob(content["sha256"])
            rest = {"origin": origin, "read": partial(_read, blob), "services": self._services}
            return ModelVersion(**content | rest)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{entry} does not describe a registered model: {error}") from error

    def _names(self) -> Sequence[str]:
        folder = self.folder / "names"
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def _numbers(self, name: str) -> Sequence[int]:
        """Return all version numbers of a name, also of deleted versions, the latest first."""
        entries = (self.folder / "names" / name).glob("[0-9]*.json")
        # Synchronisation tools leave copies such as "1 (2).json".
        return sorted((int(entry.stem) for entry in entries if entry.stem.isdecimal()), reverse=True)

    def _entry(self, name: str, number: int) -> Path:
        return self.folder / "names" / name / f"{number}.json"

    def _blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest

    def _locked(self) -> filelock.BaseFileLock:
        (self.folder / "blobs").mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self.folder / "lock")


def _read(blob: Path) -> bytes:
    try:
        return blob.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"{blob} does not exist: the model was deleted in the meantime") from error
