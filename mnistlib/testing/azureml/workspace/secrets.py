"""The workspace's key vault."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found, page
from mnistlib.testing.azureml.state import State


class Secrets:
    """Secrets by name."""

    def __init__(self, state: State) -> None:
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/credential/secrets", self.put, methods=["PUT"]),
            Route("/credential/secrets", self.list_all),
            Route("/credential/secrets/{name}", self.get),
            Route("/credential/secrets/{name}", self.delete, methods=["DELETE"]),
        ]

    async def put(self, request: Request) -> Response:
        """Keep a secret."""
        secret = await request.json()
        self._store.put("secret", secret["name"], secret)
        return JSONResponse({})

    async def list_all(self, request: Request) -> Response:
        """List the names."""
        return page([{"name": secret["name"]} for secret in self._store.all("secret")])

    async def get(self, request: Request) -> Response:
        """Return a secret."""
        secret = self._store.get("secret", request.path_params["name"])
        if secret is None:
            raise not_found(f"The secret {request.path_params['name']}")
        return JSONResponse(secret)

    async def delete(self, request: Request) -> Response:
        """Forget a secret."""
        self._store.delete("secret", request.path_params["name"])
        return JSONResponse({})
