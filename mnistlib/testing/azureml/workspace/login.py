"""Login host: discovery of the authority, and tokens for the service principal."""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.names import LOGIN_HOST
from mnistlib.testing.azureml.resource import Resource, route
from mnistlib.testing.azureml.tokens import LIFETIME


class Login(Resource):
    """The authority that issues tokens."""

    base = "login.microsoftonline.com"

    @route("GET", "/common/discovery/instance", by="v1, v2")
    async def instance(self, request: Request) -> Response:
        """Confirm that the login host is a known authority."""
        document = f"https://{LOGIN_HOST}/{self._names.tenant}/v2.0/.well-known/openid-configuration"
        hosts = {"preferred_network": LOGIN_HOST, "preferred_cache": "login.windows.net", "aliases": [LOGIN_HOST]}
        return JSONResponse({"tenant_discovery_endpoint": document, "api-version": "1.1", "metadata": [hosts]})

    @route("GET", "/{tenant}/v2.0/.well-known/openid-configuration", by="v1, v2")
    async def openid(self, request: Request) -> Response:
        """Return the addresses of the authority."""
        base = f"https://{LOGIN_HOST}/{request.path_params['tenant']}"
        return JSONResponse(
            {
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "issuer": f"{base}/v2.0",
            }
        )

    @route("POST", "/{tenant}/oauth2/v2.0/token", by="v1, v2")
    async def token(self, request: Request) -> Response:
        """Issue a token for the service principal's secret."""
        form = dict(parse_qsl((await request.body()).decode()))
        known = (self._names.tenant, self._names.client, self._names.client_secret)
        if (request.path_params["tenant"], form.get("client_id"), form.get("client_secret")) != known:
            error = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
            return JSONResponse(error, 401)
        token = self._state.tokens.issue(tid=self._names.tenant, oid=self._names.client, appid=self._names.client)
        return JSONResponse({"token_type": "Bearer", "expires_in": LIFETIME, "access_token": token})
