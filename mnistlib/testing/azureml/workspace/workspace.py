"""The workspace: its subscription, its description, the addresses of its services."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.resource import Resource, missing, route

_GROUP = "management.azure.com/subscriptions/{subscription}/resourceGroups/{group}"
_WORKSPACES = "/providers/Microsoft.MachineLearningServices/workspaces"


class Workspaces(Resource):
    """The one workspace, in the one subscription."""

    base = "management.azure.com{WORKSPACE}"
    not_covered = (
        missing("GET", f"{_GROUP}{_WORKSPACES}", by="v1, v2", purpose="List the workspaces of a resource group."),
        missing("PUT PATCH DELETE", "", by="v1, v2", purpose="Create, change or delete a workspace."),
        missing("POST", "/listKeys", by="v1, v2", purpose="Return the keys of the workspace's resources."),
        missing("GET", "/connections", by="v1, v2", purpose="List connections to other services."),
        missing("PUT", "/connections/{name}", by="v1, v2", purpose="Create a connection to another service."),
        missing("GET", "/schedules", by="v2", purpose="List schedules of jobs."),
        missing("PUT", "/schedules/{name}", by="v2", purpose="Create a schedule of jobs."),
        missing("GET", "/featuresets", by="v2", purpose="List the feature sets of a feature store."),
    )

    @route("GET", "management.azure.com/subscriptions", by="v1")
    async def subscriptions(self, request: Request) -> Response:
        """List the one subscription."""
        subscription = {
            "id": f"/subscriptions/{self._names.subscription}",
            "subscriptionId": self._names.subscription,
            "tenantId": self._names.tenant,
            "displayName": "mnistlib loopback",
            "state": "Enabled",
        }
        return JSONResponse({"value": [subscription]})

    @route("GET", "", by="v1, v2")
    @route("GET", "{region}.api.azureml.ms/rp/workspaces{WORKSPACE}", by="v1")
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

    @route("GET", "{workspace_id}.workspace.{region}.api.azureml.ms/discovery", by="v1, v2")
    async def discovery(self, request: Request) -> Response:
        """Return the address of each service, which is always the region's host."""
        api = f"https://{self._names.api_host}"
        services = ("api", "history", "experimentation", "modelmanagement", "hyperdrive")
        return JSONResponse(dict.fromkeys(services, api) | {"studio": "https://ml.azure.com"})
