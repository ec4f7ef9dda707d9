"""Snapshots of azureml-core: the project folder as it was submitted, of which only changed files are sent."""

import uuid
import zipfile
from collections.abc import Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.files import publish
from mnistlib.testing.azureml.answers import bad_argument
from mnistlib.testing.azureml.code.snapshots import keep_snapshot
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

_CONTAINER = "snapshots"
_NONE = "00000000-0000-0000-0000-000000000000"


class Snapshots(Resource):
    """Snapshots by id: for each file of the project, the blob that holds it."""

    base = "{region}.api.azureml.ms/content/v2.0{WORKSPACE}/snapshots"
    not_covered = (missing("GET", "/{id}/sas", by="v1", purpose="Return an address for each file of a snapshot."),)

    @route("GET", "{region}.api.azureml.ms/content/v1.0{WORKSPACE}/snapshots/latest/metadata", by="v1")
    async def latest(self, request: Request) -> Response:
        """Answer that the client has sent no snapshot; it asks only without a stored one."""
        return JSONResponse({"id": _NONE, "root": {}})

    @route("POST", "/getblob", by="v1")
    async def get_blobs(self, request: Request) -> Response:
        """Return an address for each file that the client is about to send."""
        batch = uuid.uuid4().hex
        names = (await request.json())["FileNames"]
        nodes = [
            {"fullName": name, "blobUri": self._blobs.address(_CONTAINER, f"{batch}/{number}")}
            for number, name in enumerate(names)
        ]
        return JSONResponse({"fileNodes": nodes})

    @route("POST", "/{id}", by="v1")
    async def create(self, request: Request) -> Response:
        """Create a snapshot of the files that were sent and of the unchanged ones of its parent."""
        body = await request.json()
        parent = body.get("ParentSnapshotId") or _NONE
        known = {} if parent == _NONE else self._find("snapshot", parent)["files"]
        for node in (body.get("FileRevisionList") or {}).get("FileNodes") or []:
            blob = self._blobs.blob_of(node["BlobUri"])
            if self._blobs.get(*blob) is None:
                raise bad_argument(f"{node['FullName']} was announced and not sent.")
            known[node["FullName"].lstrip("/")] = blob
        wanted = list(_files(body["DirTreeNode"]))
        missing = [name for name in wanted if name not in known]
        if missing:
            raise bad_argument(f"The snapshot lacks {', '.join(missing)}.")
        snapshot_id = request.path_params["id"]
        keep_snapshot(self._store, snapshot_id, {name: known[name] for name in wanted}, body["DirTreeNode"])
        return JSONResponse({"snapshotId": snapshot_id})

    @route("GET", "/{id}/metadata", by="v1")
    async def metadata(self, request: Request) -> Response:
        """Describe a snapshot."""
        return JSONResponse(self._snapshot(request))

    @route("POST", "/{id}/zip", by="v1")
    async def zip(self, request: Request) -> Response:
        """Pack a snapshot and return the archive's address."""
        snapshot = self._snapshot(request)
        name = f"zips/{snapshot['id']}.zip"
        await run_in_threadpool(self._pack, snapshot, name)
        return JSONResponse({"zipSasUri": self._blobs.address(_CONTAINER, name)})

    def _pack(self, snapshot: Document, name: str) -> None:
        with publish(self._blobs.prepare(_CONTAINER, name)) as file, zipfile.ZipFile(file, "w") as archive:
            for path, (container, blob) in snapshot["files"].items():
                archive.write(self._blobs.file(container, blob), path)
        self._blobs.note(_CONTAINER, name, content_type="application/zip")

    def _snapshot(self, request: Request) -> Document:
        return self._find("snapshot", request.path_params["id"])


def _files(node: Document, folder: str = "") -> Iterator[str]:
    """Yield the paths of all files of a tree that the SDK sent."""
    for name, child in (node.get("children") or {}).items():
        path = f"{folder}{name}"
        if str(child.get("type")).lower() == "directory":
            yield from _files(child, f"{path}/")
        else:
            yield path
