"""Datastores by the management interface."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found
from mnistlib.testing.azureml.data.datastores import CONTAINERS, DEFAULT
from mnistlib.testing.azureml.resource import ROOM, AnyCaseRoute, listing, resource
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class ArmDatastores:
    """The datastores; their keys are told apart from them."""

    def __init__(self, state: State) -> None:
        self._names = state.names

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            AnyCaseRoute(f"{ROOM}/datastores", self.list_all),
            AnyCaseRoute(f"{ROOM}/datastores/{{name}}", self.get),
            AnyCaseRoute(f"{ROOM}/datastores/{{name}}/listSecrets", self.secrets, methods=["POST"]),
        ]

    async def list_all(self, request: Request) -> Response:
        """List all datastores, or the default one alone."""
        default_only = request.query_params.get("isDefault", "").lower() == "true"
        return listing([self._described(name) for name in CONTAINERS if name == DEFAULT or not default_only])

    async def get(self, request: Request) -> Response:
        """Describe a datastore."""
        return JSONResponse(self._described(_name(request)))

    async def secrets(self, request: Request) -> Response:
        """Return a datastore's key."""
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
            "isDefault": name == DEFAULT,
            "tags": {},
            "properties": {},
        }
        return resource(self._names, f"datastores/{name}", properties)


def _name(request: Request) -> str:
    name: str = request.path_params["name"].lower()
    if name not in CONTAINERS:
        raise not_found(f"The datastore {request.path_params['name']}")
    return name
