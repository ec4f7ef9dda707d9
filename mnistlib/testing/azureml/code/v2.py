"""Code of azure-ai-ml: folders of the storage account, under a name and a version."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import listing, now, user_error
from mnistlib.testing.azureml.code.snapshots import CODES, keep_snapshot, snapshot_of, tree_of
from mnistlib.testing.azureml.data.assets import PATH_CHANGED
from mnistlib.testing.azureml.data.blob_locations import location_of
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document


class Codes(Resource):
    """Code by name and version."""

    base = "management.azure.com{WORKSPACE}/codes"
    not_covered = (missing("GET", "", by="v2", purpose="List the names."),)

    @route("GET", "/{name}/versions", by="v2")
    async def find(self, request: Request) -> Response:
        """List the versions of a name, or those of any name with the same content, which need no second upload."""
        digest = request.query_params.get("hash")
        name = request.path_params["name"]
        known = self._store.all("code") if digest else CODES.of(self._store, name)
        return listing([self._described(code) for code in known if digest in (None, _digest_of(code))])

    @route("GET", "/{name}/versions/{version}", by="v2")
    async def get(self, request: Request) -> Response:
        """Describe one version."""
        given = request.path_params
        return JSONResponse(self._described(CODES.find(self._store, given["name"], given["version"])))

    @route("POST", "/{name}/versions/{version}/startPendingUpload", by="v2")
    async def start_upload(self, request: Request) -> Response:
        """Return an address to upload the files to."""
        container = f"code-{request.path_params['name']}-{request.path_params['version']}".lower()
        target = {
            "blobUri": f"https://{self._names.blob_host}/{container}",
            "credential": {"credentialType": "SAS", "sasUri": self._blobs.container_address(container)},
        }
        return JSONResponse({"pendingUploadType": "TemporaryBlobReference", "blobReferenceForConsumption": target})

    @route("PUT", "/{name}/versions/{version}", by="v2")
    async def put(self, request: Request) -> Response:
        """Register the files that were uploaded."""
        properties = (await request.json())["properties"]
        name, version = request.path_params["name"], request.path_params["version"]
        location = location_of(self._state, properties["codeUri"])
        files = {
            path: (location.container, f"{location.path}/{path}")
            for path, _ in self._blobs.below(location.container, location.path)
        }
        if not files:
            raise user_error(f"There are no files at {properties['codeUri']}.")
        known = CODES.get(self._store, name, version)
        if known is not None and known["properties"]["codeUri"] != properties["codeUri"]:
            raise user_error(PATH_CHANGED)
        code = {"path": f"codes/{name}/versions/{version}", "properties": properties, "created": now()}
        CODES.put(self._store, name, version, code)
        keep_snapshot(self._store, snapshot_of(name, version), files, tree_of(files))
        return JSONResponse(self._described(code), 200 if known else 201)

    def _described(self, code: Document) -> Document:
        return self._resource(code["path"], code["properties"], created=code["created"])


def _digest_of(code: Document) -> str | None:
    digest: str | None = (code["properties"].get("properties") or {}).get("hash_sha256")
    return digest
