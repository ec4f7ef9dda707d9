"""Datastores: containers of the workspace's own storage account."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import listing, not_found, page
from mnistlib.testing.azureml.data.blob_locations import CONTAINERS, DEFAULT_DATASTORE
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document


class DatastoresV1(Resource):
    """Datastores by azureml-core, each with the key of its account."""

    base = "{region}.api.azureml.ms/datastore/v1.0{WORKSPACE}"
    not_covered = (
        missing("POST", "/datastores", by="v1", purpose="Register a datastore."),
        missing("PUT DELETE", "/datastores/{name}", by="v1", purpose="Change or unregister a datastore."),
        missing("PUT", "/default/{name}", by="v1", purpose="Choose the default datastore."),
    )

    @route("GET", "/default", by="v1")
    async def default(self, request: Request) -> Response:
        """Describe the default datastore."""
        return JSONResponse(self._described(DEFAULT_DATASTORE))

    @route("GET", "/datastores", by="v1")
    async def list_all(self, request: Request) -> Response:
        """List all datastores."""
        return page([self._described(name) for name in CONTAINERS])

    @route("GET", "/datastores/{name}", by="v1")
    async def get(self, request: Request) -> Response:
        """Describe a datastore."""
        return JSONResponse(self._described(_name(request)))

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


class DatastoresV2(Resource):
    """Datastores by azure-ai-ml; their keys have a route of their own."""

    base = "management.azure.com{WORKSPACE}/datastores"
    not_covered = (missing("PUT DELETE", "/{name}", by="v2", purpose="Create, change or delete a datastore."),)

    @route("GET", "", by="v2")
    async def list_all(self, request: Request) -> Response:
        """List all datastores, or the default one alone."""
        default_only = request.query_params.get("isDefault", "").lower() == "true"
        return listing([self._described(name) for name in CONTAINERS if name == DEFAULT_DATASTORE or not default_only])

    @route("GET", "/{name}", by="v2")
    async def get(self, request: Request) -> Response:
        """Describe a datastore."""
        return JSONResponse(self._described(_name(request)))

    @route("POST", "/{name}/listSecrets", by="v2")
    async def secrets(self, request: Request) -> Response:
        """Return the key of a datastore."""
        _name(request)
        return JSONResponse({"secretsType": "AccountKey", "key": self._names.account_key})

    def _described(self, name: str) -> Document:
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": self._names.account,
            "containerName": CONTAINERS[name],
            "endpoint": "core.windows.net",
            "protocol": "https",
            "credentials": {"credentialsType": "AccountKey"},
            "isDefault": name == DEFAULT_DATASTORE,
            "tags": {},
            "properties": {},
        }
        return self._resource(f"datastores/{name}", properties)


def _name(request: Request) -> str:
    name: str = request.path_params["name"].lower()
    if name not in CONTAINERS:
        raise not_found(f"The datastore {request.path_params['name']}")
    return name
