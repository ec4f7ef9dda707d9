"""Code and data: folders of the storage account, under a name and a version."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found, now
from mnistlib.testing.azureml.data.blob_locations import place_of
from mnistlib.testing.azureml.resource import (
    ROOM,
    AnyCaseRoute,
    container_of,
    count_up_to,
    last_parts,
    listing,
    resource,
    routes_of_versions,
)
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store


def path_changed() -> Refusal:
    """Return the refusal for other files under a name and version that are taken; the SDK knows this text."""
    return Refusal(400, "UserError", "Asset paths cannot be updated.")


class Codes:
    """Code. Each version is also a snapshot, which is how a node fetches it, and how the other SDK reads it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        versions = f"{ROOM}/codes/{{name}}/versions"
        return [
            AnyCaseRoute(versions, self.find),
            AnyCaseRoute(f"{versions}/{{version}}", self.get),
            AnyCaseRoute(f"{versions}/{{version}}", self.put, methods=["PUT"]),
            AnyCaseRoute(f"{versions}/{{version}}/startPendingUpload", self.start_upload, methods=["POST"]),
        ]

    async def find(self, request: Request) -> Response:
        """List the versions of a name, or whatever has the same content: it need not be sent again."""
        digest = request.query_params.get("hash")
        known = self._state.store.all("code", prefix="" if digest else f"{request.path_params['name']}/")
        return listing([self._described(code) for code in known if digest in (None, _digest_of(code))])

    async def get(self, request: Request) -> Response:
        """Describe one version."""
        code = self._state.store.get("code", _key(request))
        if code is None:
            raise not_found(f"The code {_key(request)}")
        return JSONResponse(self._described(code))

    async def start_upload(self, request: Request) -> Response:
        """Return an address to send the files to."""
        container = f"code-{request.path_params['name']}-{request.path_params['version']}".lower()
        place = {
            "blobUri": f"https://{self._state.names.blob_host}/{container}",
            "credential": {"credentialType": "SAS", "sasUri": self._state.blobs.container_address(container)},
        }
        return JSONResponse({"pendingUploadType": "TemporaryBlobReference", "blobReferenceForConsumption": place})

    async def put(self, request: Request) -> Response:
        """Name the files that were sent."""
        properties = (await request.json())["properties"]
        place = place_of(self._state, properties["codeUri"])
        files = {
            name: (place.container, f"{place.path}/{name}")
            for name, _ in self._state.blobs.below(place.container, place.path)
        }
        if not files:
            raise Refusal(400, "UserError", f"There is nothing at {properties['codeUri']}.")
        known = self._state.store.get("code", _key(request))
        if known is not None and known["properties"]["codeUri"] != properties["codeUri"]:
            raise path_changed()
        code = {"path": f"codes/{_key(request).replace('/', '/versions/')}", "properties": properties, "created": now()}
        self._state.store.put("code", _key(request), code)
        snapshot = snapshot_of(request.path_params["name"], request.path_params["version"])
        self._state.store.put(
            "snapshot", snapshot, {"id": snapshot, "createdUtc": now(), "files": files, "root": _tree_of(files)}
        )
        return JSONResponse(self._described(code), 200 if known else 201)

    def _described(self, code: Document) -> Document:
        return resource(self._state.names, code["path"], code["properties"], created=code["created"])


class Data:
    """Data assets."""

    def __init__(self, state: State) -> None:
        self._names = state.names
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return routes_of_versions(
            "data",
            names=self.list_all,
            container=self.container,
            versions=self.versions,
            get=self.get,
            put=self.put,
            delete=self.delete,
        )

    async def list_all(self, request: Request) -> Response:
        """List the names."""
        return listing([self._container(name) for name in {data["name"]: 1 for data in self._store.all("data")}])

    async def container(self, request: Request) -> Response:
        """Describe all versions of a name together."""
        name = request.path_params["name"]
        if not self._store.last_number(f"data/{name}") and not self._versions(name):
            raise not_found(f"The data asset {name}")
        return JSONResponse(self._container(name))

    async def versions(self, request: Request) -> Response:
        """List the versions of a name, newest first."""
        known = self._versions(request.path_params["name"])[::-1]
        top = int(request.query_params.get("$top") or len(known))
        return listing([self._described(data) for data in known[:top]])

    async def get(self, request: Request) -> Response:
        """Describe one version."""
        data = self._store.get("data", _key(request))
        if data is None:
            raise not_found(f"The data asset {_key(request)}")
        return JSONResponse(self._described(data))

    async def put(self, request: Request) -> Response:
        """Register a version, or change what is said of it; its files stay the ones that they are."""
        properties = (await request.json())["properties"]
        known = self._store.get("data", _key(request))
        if known is not None and known["properties"]["dataUri"] != properties["dataUri"]:
            raise path_changed()
        name, version = request.path_params["name"], request.path_params["version"]
        count_up_to(self._store, f"data/{name}", version)
        created = known["created"] if known else now()
        data = {"name": name, "version": version, "properties": properties, "created": created}
        return JSONResponse(self._described(self._store.put("data", _key(request), data)), 200 if known else 201)

    async def delete(self, request: Request) -> Response:
        """Delete a version; its number is not given again."""
        return Response(status_code=200 if self._store.delete("data", _key(request)) else 204)

    def _versions(self, name: str) -> list[Document]:
        return self._store.all("data", prefix=f"{name}/")

    def _container(self, name: str) -> Document:
        versions = self._versions(name)
        properties = container_of(self._store, f"data/{name}", [data["version"] for data in versions])
        kind = versions[-1]["properties"].get("dataType") if versions else None
        return resource(self._names, f"data/{name}", properties | {"dataType": kind})

    def _described(self, data: Document) -> Document:
        path = f"data/{data['name']}/versions/{data['version']}"
        return resource(self._names, path, data["properties"], created=data["created"])


def snapshot_of(name: str, version: str) -> str:
    """Return the id of the snapshot that a version of code is."""
    return f"code-{name}-{version}"


def snapshot_behind(store: Store, code_id: str) -> str:
    """Return the id of the snapshot that a code's id stands for; refuse if there is no such code."""
    name, version = last_parts(code_id, 2)
    if store.get("code", f"{name}/{version}") is None:
        raise not_found(f"The code {name}:{version}")
    return snapshot_of(name, version)


def _key(request: Request) -> str:
    return f"{request.path_params['name']}/{request.path_params['version']}"


def _digest_of(code: Document) -> str | None:
    digest: str | None = (code["properties"].get("properties") or {}).get("hash_sha256")
    return digest


def _tree_of(files: Document) -> Document:
    """Return the tree of a snapshot's files as the other SDK sends and reads it."""
    root: Document = {"name": "", "type": "Directory", "children": {}}
    for path in files:
        *folders, name = path.split("/")
        place = root
        for folder in folders:
            place = place["children"].setdefault(folder, {"name": folder, "type": "Directory", "children": {}})
        place["children"][name] = {"name": name, "type": "File"}
    return root
