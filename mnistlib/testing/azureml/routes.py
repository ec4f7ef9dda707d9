"""The routes of every resource, of both generations of the SDK."""

from starlette.routing import Route

from mnistlib.testing.azureml.code.snapshots import Snapshots
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.compute.computes import Computes
from mnistlib.testing.azureml.data.assets import Codes, Data
from mnistlib.testing.azureml.data.datasets import Datasets
from mnistlib.testing.azureml.data.datastores import Datastores
from mnistlib.testing.azureml.data.datastores_v2 import ArmDatastores
from mnistlib.testing.azureml.data.storage import Storage
from mnistlib.testing.azureml.endpoints.deployments import Deployments
from mnistlib.testing.azureml.endpoints.online_endpoints import Endpoints
from mnistlib.testing.azureml.endpoints.scoring import Scorers
from mnistlib.testing.azureml.endpoints.webservices import Webservices
from mnistlib.testing.azureml.environments.v1 import Environments
from mnistlib.testing.azureml.environments.v2 import ArmEnvironments
from mnistlib.testing.azureml.jobs.execution import Execution
from mnistlib.testing.azureml.jobs.jobs import Jobs
from mnistlib.testing.azureml.jobs.outputs import Outputs
from mnistlib.testing.azureml.jobs.sweeps import Sweeps
from mnistlib.testing.azureml.models.mlflow import MLflowModels
from mnistlib.testing.azureml.models.v1 import Models
from mnistlib.testing.azureml.models.v2 import ArmModels
from mnistlib.testing.azureml.runs.artifacts import Artifacts
from mnistlib.testing.azureml.runs.history import History
from mnistlib.testing.azureml.runs.metrics import Metrics
from mnistlib.testing.azureml.runs.mlflow import MLflow
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.workspace.secrets import Secrets
from mnistlib.testing.azureml.workspace.workspace import Workspaces


def all_routes(state: State, clusters: Clusters, scorers: Scorers) -> list[Route]:
    """Return the routes of every room."""
    return [
        *Workspaces(state).routes(),
        *Computes(state, clusters).routes(),
        *Storage(state).routes(),
        *Datastores(state).routes(),
        *Datasets(state).routes(),
        *Environments(state).routes(),
        *Snapshots(state).routes(),
        *Execution(state, clusters).routes(),
        *History(state).routes(),
        *Artifacts(state).routes(),
        *Metrics(state).routes(),
        *MLflow(state).routes(),
        *Models(state).routes(),
        *Secrets(state).routes(),
        *Webservices(state, scorers).routes(),
    ]


def newer_routes(state: State, clusters: Clusters, sweeps: Sweeps, scorers: Scorers) -> list[Route]:
    """Return the routes of every room."""
    deployments = Deployments(state, scorers)
    return [
        *ArmDatastores(state).routes(),
        *ArmEnvironments(state).routes(),
        *Codes(state).routes(),
        *Data(state).routes(),
        *Jobs(state, clusters, sweeps).routes(),
        *ArmModels(state).routes(),
        *MLflowModels(state).routes(),
        *Outputs(state).routes(),
        *Endpoints(state, deployments).routes(),
        *deployments.routes(),
    ]
