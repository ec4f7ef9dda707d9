"""Blobs: files in the state folder, with their HTTP properties in the store.

A blob is an ordinary file under ``blobs/CONTAINER/NAME``, so that a person can read it. Its size is always that of the
file: a job's log grows while the job runs, and is read while it grows.
"""

import hashlib
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from mnistlib.files import publish
from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.store import Document, Store
from mnistlib.testing.azureml.tokens import LIFETIME, Tokens

#: The container of the default datastore, and that of the files of runs and models.
DATA_CONTAINER = "azureml-blobstore"
RUN_CONTAINER = "azureml"


def run_blob(run_id: str, name: str = "") -> str:
    """Return the name of the blob that holds a file of a run; that of the run's folder by default."""
    return f"ExperimentRun/dcid.{run_id}/{name}"


def _safe(name: str) -> Path:
    """Return a relative path for a blob's name that stays below its container: '..' is an ordinary name in Azure."""
    parts = [quote(part, safe=" !@#$&'()+,;=[]{}~^") for part in name.split("/")]
    return Path(*(part.replace(".", "%2E") if part in ("", ".", "..") else part for part in parts))


class Blobs:
    """The storage account: files below `folder`; the type, the etag and the metadata of each are in the store."""

    def __init__(self, folder: Path, store: Store, names: Names, tokens: Tokens) -> None:
        self._folder = folder
        self._store = store
        self._names = names
        self._tokens = tokens
        self._commits = threading.Lock()

    def file(self, container: str, name: str) -> Path:
        """Return the path of the blob's bytes, whether or not it exists."""
        return self._folder / _safe(container) / _safe(name)

    def staged(self, container: str, name: str) -> Path:
        """Return the folder of the blob's blocks that are not committed yet."""
        digest = hashlib.sha256(f"{container}/{name}".encode()).hexdigest()
        return self._folder.with_name("blocks") / digest

    def incoming(self) -> Path:
        """Return a new path for an upload, which :meth:`commit` takes when it is complete."""
        folder = self._folder.with_name("incoming")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def commit(
        self, whole: Path, container: str, name: str, *, content_type: str, metadata: dict[str, str], only_new: bool
    ) -> Document | None:
        """Turn a complete file into a blob and return its properties; return None if `only_new` and the name is taken.

        Of several clients that write at once with `only_new`, one succeeds: check and write are one step, as in Azure.
        """
        with self._commits:
            if only_new and self.get(container, name):
                whole.unlink()
                return None
            whole.replace(self.prepare(container, name))
            return self.note(container, name, content_type=content_type, metadata=metadata)

    def prepare(self, container: str, name: str) -> Path:
        """Create the blob's folder and return the path of its bytes."""
        file = self.file(container, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def note(self, container: str, name: str, *, content_type: str, metadata: dict[str, str] | None = None) -> Document:
        """Record that the blob's file is complete and new."""
        properties = {
            "container": container,
            "name": name,
            "etag": f'"0x{uuid.uuid4().hex[:15].upper()}"',
            "modified": time.time(),
            "content_type": content_type,
            "metadata": metadata or {},
        }
        return self._store.put("blob", f"{container}/{name}", properties)

    def put_file(self, container: str, name: str, source: Path) -> None:
        """Copy a file into the store, under its final name only when it is complete."""
        with source.open("rb") as content, publish(self.prepare(container, name)) as target:
            shutil.copyfileobj(content, target, 1 << 20)
        self.note(container, name, content_type="application/octet-stream")

    def put_bytes(self, container: str, name: str, content: bytes) -> None:
        """Write a small blob."""
        with publish(self.prepare(container, name)) as target:
            target.write(content)
        self.note(container, name, content_type="application/octet-stream")

    def get(self, container: str, name: str) -> Document | None:
        """Return the blob's properties, with its size, or None."""
        properties = self._store.get("blob", f"{container}/{name}")
        return None if properties is None else properties | {"size": self.file(container, name).stat().st_size}

    def listed(self, container: str, prefix: str = "") -> list[Document]:
        """Return the properties of the blobs with a name prefix, by name."""
        found = self._store.all("blob", prefix=f"{container}/{prefix}")
        sized = [blob | {"size": self.file(container, blob["name"]).stat().st_size} for blob in found]
        return sorted(sized, key=lambda blob: blob["name"])

    def delete(self, container: str, name: str) -> bool:
        """Delete the blob; return whether it existed."""
        self.file(container, name).unlink(missing_ok=True)
        return self._store.delete("blob", f"{container}/{name}")

    def below(self, container: str, prefix: str) -> Iterator[tuple[str, Path]]:
        """Yield name (relative to `prefix`) and file of each blob that is `prefix` or lies in that folder."""
        whole = prefix.strip("/")
        for blob in self.listed(container, whole):
            name = blob["name"]
            if name == whole:
                yield name.rpartition("/")[2], self.file(container, name)
            elif not whole or name.startswith(f"{whole}/"):
                yield name[len(whole) :].lstrip("/"), self.file(container, name)

    def address(self, container: str, name: str) -> str:
        """Return a signed address of this one blob, valid for as long as a token."""
        signature = self._signature(f"{container}/{name}", "sr=b&sp=rcw")
        return f"https://{self._names.blob_host}/{container}/{_in_address(name)}?{signature}"

    def container_address(self, container: str) -> str:
        """Return a signed address of all blobs of a container, valid for as long as a token."""
        return f"https://{self._names.blob_host}/{container}?{self._signature(container, 'sr=c&sp=rcwl')}"

    def _signature(self, path: str, rights: str) -> str:
        expires = int(time.time() + LIFETIME)
        return f"sv=2021-08-06&{rights}&se={expires}&sig={self._tokens.sign_blob(path, expires=expires)}"

    def blob_of(self, address: str) -> tuple[str, str]:
        """Return the container and name of the blob at an address."""
        path = unquote(address.partition("?")[0].partition("://")[2].partition("/")[2])
        container, _, name = path.partition("/")
        return container, name


def _in_address(name: str) -> str:
    """Return a name as it stands in an address: the SDK takes it from there unchanged, and quotes it itself."""
    return name.replace("?", "%3F").replace("#", "%23")
