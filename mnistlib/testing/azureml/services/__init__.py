"""The rooms of the service, one module for each of Azure's own services."""

from starlette.routing import Route

from mnistlib.testing.azureml.cluster import Clusters
from mnistlib.testing.azureml.scoring import Scorers
from mnistlib.testing.azureml.services.artifacts import Artifacts
from mnistlib.testing.azureml.services.compute import Computes
from mnistlib.testing.azureml.services.content import Snapshots
from mnistlib.testing.azureml.services.datasets import Datasets
from mnistlib.testing.azureml.services.datastores import Datastores
from mnistlib.testing.azureml.services.environments import Environments
from mnistlib.testing.azureml.services.execution import Execution
from mnistlib.testing.azureml.services.history import History
from mnistlib.testing.azureml.services.metrics import Metrics
from mnistlib.testing.azureml.services.mlflow import MLflow
from mnistlib.testing.azureml.services.models import Models
from mnistlib.testing.azureml.services.secrets import Secrets
from mnistlib.testing.azureml.services.storage import Storage
from mnistlib.testing.azureml.services.webservices import Webservices
from mnistlib.testing.azureml.services.workspace import Workspaces
from mnistlib.testing.azureml.state import State


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
