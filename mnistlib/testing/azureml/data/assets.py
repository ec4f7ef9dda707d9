"""Data assets of azure-ai-ml: files or folders under a name and a version."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import now, user_error
from mnistlib.testing.azureml.data.blob_locations import DATA_ASSETS
from mnistlib.testing.azureml.resource import VersionedResource, missing, route
from mnistlib.testing.azureml.store import Document

#: The text by which azure-ai-ml recognizes a name and version that is taken by other files.
PATH_CHANGED = "Asset paths cannot be updated."


class DataAssets(VersionedResource):
    """Data assets by name and version."""

    base = "management.azure.com{WORKSPACE}/data"
    versions = DATA_ASSETS
    not_covered = (missing("PUT", "/{name}", by="v2", purpose="Archive or restore all versions of a name."),)

    @route("PUT", "/{name}/versions/{version}", by="v2")
    async def put(self, request: Request) -> Response:
        """Register a version, or change its description; its files never change."""
        properties = (await request.json())["properties"]
        name, version = self._target(request)
        known = DATA_ASSETS.get(self._store, name, version)
        if known is not None and known["properties"]["dataUri"] != properties["dataUri"]:
            raise user_error(PATH_CHANGED)
        created = known["created"] if known else now()
        asset = {"name": name, "version": version, "properties": properties, "created": created}
        DATA_ASSETS.put(self._store, name, version, asset)
        return JSONResponse(self._described(asset), 200 if known else 201)

    @route("DELETE", "/{name}/versions/{version}", by="v2")
    async def delete(self, request: Request) -> Response:
        """Delete a version; its number is not given again."""
        return self._deleted(request)

    def _container(self, name: str) -> Document:
        container, known = super()._container(name), self._versions_of(name)
        container["properties"]["dataType"] = known[-1]["properties"].get("dataType") if known else None
        return container

    def _described(self, document: Document) -> Document:
        return self._version_resource(document, document["properties"], created=document["created"])
