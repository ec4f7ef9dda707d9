"""Who one is and where things are: login, subscriptions, the workspace, discovery."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.names import LOGIN_HOST
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.tokens import LIFETIME


class Workspaces:
    """Login, subscriptions, the one workspace and its discovery document."""

    def __init__(self, state: State) -> None:
        self._names = state.names
        self._tokens = state.tokens

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/login/common/discovery/instance", self.instance),
            Route("/login/{tenant}/v2.0/.well-known/openid-configuration", self.openid),
            Route("/login/{tenant}/oauth2/v2.0/token", self.token, methods=["POST"]),
            Route("/arm/subscriptions", self.subscriptions),
            Route("/arm/workspace", self.workspace),
            Route("/rp", self.workspace),
            Route("/discovery/discovery", self.discovery),
        ]

    async def instance(self, request: Request) -> Response:
        """Say that the login host is a real one."""
        return JSONResponse(
            {
                "tenant_discovery_endpoint": f"https://{LOGIN_HOST}/{self._names.tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [
                    {"preferred_network": LOGIN_HOST, "preferred_cache": "login.windows.net", "aliases": [LOGIN_HOST]}
                ],
            }
        )

    async def openid(self, request: Request) -> Response:
        """Say where tokens are."""
        base = f"https://{LOGIN_HOST}/{request.path_params['tenant']}"
        return JSONResponse(
            {
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "issuer": f"{base}/v2.0",
            }
        )

    async def token(self, request: Request) -> Response:
        """Give a token to whoever knows the service principal's secret."""
        form = dict(parse_qsl((await request.body()).decode()))
        known = (self._names.tenant, self._names.client, self._names.client_secret)
        if (request.path_params["tenant"], form.get("client_id"), form.get("client_secret")) != known:
            error = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
            return JSONResponse(error, 401)
        token = self._tokens.issue(tid=self._names.tenant, oid=self._names.client, appid=self._names.client)
        return JSONResponse({"token_type": "Bearer", "expires_in": LIFETIME, "access_token": token})

    async def subscriptions(self, request: Request) -> Response:
        """List the one subscription."""
        return JSONResponse({"value": [self._subscription()]})

    def _subscription(self) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{self._names.subscription}",
            "subscriptionId": self._names.subscription,
            "tenantId": self._names.tenant,
            "displayName": "mnistlib loopback",
            "state": "Enabled",
        }

    async def workspace(self, request: Request) -> Response:
        """Describe the workspace."""
        names = self._names
        return JSONResponse(
            {
                "id": names.resource,
                "name": names.workspace,
                "type": "Microsoft.MachineLearningServices/workspaces",
                "location": names.region,
                "tags": {},
                "sku": {"name": "Basic", "tier": "Basic"},
                "properties": {
                    "friendlyName": names.workspace,
                    "workspaceId": names.workspace_id,
                    "discoveryUrl": f"https://{names.discovery_host}/discovery",
                    "provisioningState": "Succeeded",
                    "mlFlowTrackingUri": names.tracking_uri,
                    "storageAccount": f"/subscriptions/{names.subscription}/resourceGroups/{names.group}"
                    f"/providers/Microsoft.Storage/storageAccounts/{names.account}",
                },
            }
        )

    async def discovery(self, request: Request) -> Response:
        """Say that every service is on the region's host."""
        api = f"https://{self._names.api_host}"
        services = ("api", "history", "experimentation", "modelmanagement", "hyperdrive")
        return JSONResponse(dict.fromkeys(services, api) | {"studio": "https://ml.azure.com"})
