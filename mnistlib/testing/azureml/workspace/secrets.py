"""The workspace's key vault."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import page
from mnistlib.testing.azureml.resource import Resource, missing, route


class Secrets(Resource):
    """Secrets by name."""

    base = "{region}.api.azureml.ms/credential/v2.0{WORKSPACE}/secrets"
    not_covered = (missing("POST", ":getbatch", by="v1", purpose="Return several secrets at once."),)

    @route("PUT", "", by="v1")
    async def put(self, request: Request) -> Response:
        """Store a secret."""
        secret = await request.json()
        self._store.put("secret", secret["name"], secret)
        return JSONResponse({})

    @route("GET", "", by="v1")
    async def list_all(self, request: Request) -> Response:
        """List the names."""
        return page([{"name": secret["name"]} for secret in self._store.all("secret")])

    @route("GET", "/{name}", by="v1")
    async def get(self, request: Request) -> Response:
        """Return a secret."""
        return JSONResponse(self._find("secret", request.path_params["name"]))

    @route("DELETE", "/{name}", by="v1")
    async def delete(self, request: Request) -> Response:
        """Delete a secret."""
        self._store.delete("secret", request.path_params["name"])
        return JSONResponse({})
