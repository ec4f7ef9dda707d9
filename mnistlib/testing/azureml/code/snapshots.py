"""Snapshots: the project folder as it was submitted, of which only what has changed is sent."""

import uuid
import zipfile
from collections.abc import Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.files import publish
from mnistlib.testing.azureml.answers import Refusal, not_found, now
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

_CONTAINER = "snapshots"
_NONE = "00000000-0000-0000-0000-000000000000"


class Snapshots:
    """Snapshots by id: for each file of the project, the blob that holds it."""

    def __init__(self, state: State) -> None:
        self._store = state.store
        self._blobs = state.blobs

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/content/snapshots/latest/metadata", self.latest),
            Route("/content/snapshots/getblob", self.get_blobs, methods=["POST"]),
            Route("/content/snapshots/{id}/metadata", self.metadata),
            Route("/content/snapshots/{id}/zip", self.zip, methods=["POST"]),
            Route("/content/snapshots/{id}", self.create, methods=["POST"]),
        ]

    async def latest(self, request: Request) -> Response:
        """Say that this client has sent none yet: it asks only when it remembers none."""
        return JSONResponse({"id": _NONE, "root": {}})

    async def get_blobs(self, request: Request) -> Response:
        """Return an address for each file that is about to be sent."""
        batch = uuid.uuid4().hex
        names = (await request.json())["FileNames"]
        nodes = [
            {"fullName": name, "blobUri": self._blobs.address(_CONTAINER, f"{batch}/{number}")}
            for number, name in enumerate(names)
        ]
        return JSONResponse({"fileNodes": nodes})

    async def create(self, request: Request) -> Response:
        """Make a snapshot of the files that were sent and of the unchanged ones of its parent."""
        body = await request.json()
        parent_id = body.get("ParentSnapshotId") or _NONE
        parent = self._store.get("snapshot", parent_id)
        if parent is None and parent_id != _NONE:
            raise not_found(f"The snapshot {parent_id}")
        known = dict(parent["files"]) if parent else {}
        for node in (body.get("FileRevisionList") or {}).get("FileNodes") or []:
            blob = self._blobs.blob_of(node["BlobUri"])
            if self._blobs.get(*blob) is None:
                raise Refusal(400, "BadArgument", f"{node['FullName']} was announced and not sent.")
            known[node["FullName"].lstrip("/")] = blob
        wanted = list(_files(body["DirTreeNode"]))
        missing = [name for name in wanted if name not in known]
        if missing:
            raise Refusal(400, "BadArgument", f"The snapshot lacks {', '.join(missing)}.")
        snapshot = {
            "id": request.path_params["id"],
            "createdUtc": now(),
            "files": {name: known[name] for name in wanted},
        }
        self._store.put("snapshot", snapshot["id"], snapshot | {"root": body["DirTreeNode"]})
        return JSONResponse({"snapshotId": snapshot["id"]})

    async def metadata(self, request: Request) -> Response:
        """Describe a snapshot."""
        return JSONResponse(self._find(request))

    async def zip(self, request: Request) -> Response:
        """Pack a snapshot and return the archive's address."""
        snapshot = self._find(request)
        name = f"zips/{snapshot['id']}.zip"
        await run_in_threadpool(self._pack, snapshot, name)
        return JSONResponse({"zipSasUri": self._blobs.address(_CONTAINER, name)})

    def _pack(self, snapshot: Document, name: str) -> None:
        with publish(self._blobs.make_room(_CONTAINER, name)) as file, zipfile.ZipFile(file, "w") as archive:
            for path, (container, blob) in snapshot["files"].items():
                archive.write(self._blobs.file(container, blob), path)
        self._blobs.note(_CONTAINER, name, content_type="application/zip")

    def _find(self, request: Request) -> Document:
        snapshot = self._store.get("snapshot", request.path_params["id"])
        if snapshot is None:
            raise not_found(f"The snapshot {request.path_params['id']}")
        return snapshot


def _files(node: Document, folder: str = "") -> Iterator[str]:
    """Yield the paths of all files of a tree as the SDK sends it."""
    for name, child in (node.get("children") or {}).items():
        path = f"{folder}{name}"
        if str(child.get("type")).lower() == "directory":
            yield from _files(child, f"{path}/")
        else:
            yield path
