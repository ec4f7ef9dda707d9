"""Snapshots: the files of a project as they were submitted, by either generation of the SDK."""

from pathlib import Path

from mnistlib.testing.azureml.answers import now
from mnistlib.testing.azureml.data.delivery import MissingDataError, copy_files
from mnistlib.testing.azureml.parameters import last_parts
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store
from mnistlib.testing.azureml.versions import Versions

#: Versions of code; each of them is a snapshot too, which nodes fetch and azureml-core reads.
CODES = Versions(kind="code", noun="code")


def fetch_snapshot(state: State, snapshot_id: str, folder: Path) -> None:
    """Write the files of a snapshot below `folder`."""
    snapshot = state.store.get("snapshot", snapshot_id)
    if snapshot is None:
        raise MissingDataError(f"there is no snapshot {snapshot_id}")
    copy_files(((name, state.blobs.file(*blob)) for name, blob in snapshot["files"].items()), folder)


def keep_snapshot(store: Store, snapshot_id: str, files: Document, root: Document) -> None:
    """Store a snapshot: the blob of each file by its path, and the tree of the files in the form of azureml-core."""
    store.put("snapshot", snapshot_id, {"id": snapshot_id, "createdUtc": now(), "files": files, "root": root})


def snapshot_of(name: str, version: str) -> str:
    """Return the id of the snapshot of a version of code."""
    return f"code-{name}-{version}"


def snapshot_behind(store: Store, code_id: str) -> str:
    """Return the id of the snapshot that a code's id stands for; refuse unknown code."""
    name, version = last_parts(code_id, 2)
    CODES.find(store, name, version)
    return snapshot_of(name, version)


def tree_of(files: Document) -> Document:
    """Return the tree of a snapshot's files in the form of azureml-core."""
    root: Document = {"name": "", "type": "Directory", "children": {}}
    for path in files:
        *folders, name = path.split("/")
        place = root
        for folder in folders:
            place = place["children"].setdefault(folder, {"name": folder, "type": "Directory", "children": {}})
        place["children"][name] = {"name": name, "type": "File"}
    return root
