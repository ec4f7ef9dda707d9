"""Datastores: containers of the workspace's own storage account."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found, page
from mnistlib.testing.azureml.data.blobs import DATA_CONTAINER, RUN_CONTAINER
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

DEFAULT = "workspaceblobstore"
ARTIFACTS = "workspaceartifactstore"
#: The container of each datastore.
CONTAINERS = {DEFAULT: DATA_CONTAINER, ARTIFACTS: RUN_CONTAINER}


class Datastores:
    """The datastore for data, and the one that holds what runs leave."""

    def __init__(self, state: State) -> None:
        self._names = state.names

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/datastore/default", self.default),
            Route("/datastore/datastores", self.list_all),
            Route("/datastore/datastores/{name}", self.get),
        ]

    async def default(self, request: Request) -> Response:
        """Describe the default datastore."""
        return JSONResponse(self._described(DEFAULT))

    async def list_all(self, request: Request) -> Response:
        """List all datastores."""
        return page([self._described(name) for name in CONTAINERS])

    async def get(self, request: Request) -> Response:
        """Describe a datastore by its name."""
        name = request.path_params["name"].lower()
        if name not in CONTAINERS:
            raise not_found(f"The datastore {request.path_params['name']}")
        return JSONResponse(self._described(name))

    def _described(self, name: str) -> Document:
        return {
            "name": name,
            "dataStoreType": "AzureBlob",
            "hasBeenValidated": True,
            "tags": {},
            "azureStorageSection": {
                "accountName": self._names.account,
                "containerName": CONTAINERS[name],
                "endpoint": "core.windows.net",
                "protocol": "https",
                "credentialType": "AccountKey",
                "credential": self._names.account_key,
                "accountKey": self._names.account_key,
            },
        }
