"""The route table: every known route of Azure ML, from which the application and its documentation are built.

Each entry is declared in the folder of its resource, above the method that answers it, or in the list ``not_covered``
of its class. Search the source for a part of the address that an SDK sends, such as ``snapshotrun``.
"""

import re

from starlette.routing import Route

from mnistlib.testing.azureml.code.v1 import Snapshots
from mnistlib.testing.azureml.code.v2 import Codes
from mnistlib.testing.azureml.compute.computes import Computes
from mnistlib.testing.azureml.data.assets import DataAssets
from mnistlib.testing.azureml.data.datasets import Datasets
from mnistlib.testing.azureml.data.datastores import DatastoresV1, DatastoresV2
from mnistlib.testing.azureml.data.storage import Storage
from mnistlib.testing.azureml.endpoints.deployments import Deployments
from mnistlib.testing.azureml.endpoints.online_endpoints import OnlineEndpoints
from mnistlib.testing.azureml.endpoints.webservices import Webservices
from mnistlib.testing.azureml.environments.v1 import EnvironmentsV1
from mnistlib.testing.azureml.environments.v2 import EnvironmentsV2
from mnistlib.testing.azureml.jobs.v1 import ScriptRuns
from mnistlib.testing.azureml.jobs.v2 import Jobs
from mnistlib.testing.azureml.models.mlflow import MLflowModels
from mnistlib.testing.azureml.models.v1 import ModelsV1
from mnistlib.testing.azureml.models.v2 import ModelsV2
from mnistlib.testing.azureml.names import MANAGEMENT_HOST, Names
from mnistlib.testing.azureml.resource import Resource, RouteEntry, Runtime
from mnistlib.testing.azureml.runs.artifacts import Artifacts
from mnistlib.testing.azureml.runs.history import History, Metrics
from mnistlib.testing.azureml.runs.mlflow import MLflow
from mnistlib.testing.azureml.workspace.login import Login
from mnistlib.testing.azureml.workspace.secrets import Secrets
from mnistlib.testing.azureml.workspace.workspace import Workspaces

#: Every resource, in the order of the folders; within a folder in the order in which routes are tried.
RESOURCES: tuple[type[Resource], ...] = (
    Login,
    Workspaces,
    Secrets,
    Computes,
    Storage,
    DatastoresV1,
    DatastoresV2,
    Datasets,
    DataAssets,
    EnvironmentsV1,
    EnvironmentsV2,
    Snapshots,
    Codes,
    ScriptRuns,
    Jobs,
    History,
    Metrics,
    Artifacts,
    MLflow,
    ModelsV1,
    ModelsV2,
    MLflowModels,
    Webservices,
    OnlineEndpoints,
    Deployments,
)

_VERSION = re.compile(r"/v\d+\.\d+(?=\{WORKSPACE\})")


def route_table() -> dict[str, list[RouteEntry]]:
    """Return all routes by the folder of their resource."""
    table: dict[str, list[RouteEntry]] = {}
    for kind in RESOURCES:
        table.setdefault(kind.__module__.split(".")[-2], []).extend(kind.entries())
    return table


def routes_of(runtime: Runtime) -> "list[AddressRoute]":
    """Return the routes that the emulator covers, over a running emulator's state."""
    return [
        AddressRoute(entry, resource, runtime.state.names)
        for resource in (kind(runtime) for kind in RESOURCES)
        for entry in resource.entries()
        if entry.handler is not None
    ]


class AddressRoute(Route):
    """Route that matches the host and the path of an address, in the form of :func:`routed_path`.

    Fixed words of the management interface match in any case, as Azure's do; the values of variables keep their case.
    """

    def __init__(self, entry: RouteEntry, resource: Resource, names: Names) -> None:
        assert entry.handler is not None
        super().__init__(_pattern(entry.address, names), getattr(resource, entry.handler), methods=entry.methods)
        if entry.address.startswith(MANAGEMENT_HOST):
            self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)
        self.entry = entry


def routed_path(names: Names, host: str, path: str) -> str:
    """Return the path by which a request is routed: the host, then the path with the workspace in canonical case.

    Clients spell the workspace in several ways (``resourcegroups``), and join some addresses with two slashes.
    """
    if host in (MANAGEMENT_HOST, names.api_host):
        path = names.in_canonical_case(re.sub("/{2,}", "/", path))
    return f"/{host}{path}"


def _pattern(address: str, names: Names) -> str:
    """Return an address of the table in Starlette's form; versions of services vary, and any of them matches."""
    values = {
        "WORKSPACE": names.resource,
        "region": names.region,
        "account": names.account,
        "workspace_id": names.workspace_id,
        "workspace": names.workspace,
    }
    address = _VERSION.sub("/{api_version}", address)
    for name, value in values.items():
        address = address.replace(f"{{{name}}}", value)
    return f"/{address}"
