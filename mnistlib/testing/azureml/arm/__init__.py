"""The management interface that azure-ai-ml speaks, over the same state as the services of azureml-core."""

from starlette.routing import Route

from mnistlib.testing.azureml.arm.assets import Codes, Data
from mnistlib.testing.azureml.arm.datastores import ArmDatastores
from mnistlib.testing.azureml.arm.deployments import Deployments
from mnistlib.testing.azureml.arm.endpoints import Endpoints
from mnistlib.testing.azureml.arm.environments import ArmEnvironments
from mnistlib.testing.azureml.arm.jobs import Jobs
from mnistlib.testing.azureml.arm.mlflow_models import MLflowModels
from mnistlib.testing.azureml.arm.models import ArmModels
from mnistlib.testing.azureml.arm.outputs import Outputs
from mnistlib.testing.azureml.arm.sweeps import Sweeps
from mnistlib.testing.azureml.cluster import Clusters
from mnistlib.testing.azureml.scoring import Scorers
from mnistlib.testing.azureml.state import State


def arm_routes(state: State, clusters: Clusters, sweeps: Sweeps, scorers: Scorers) -> list[Route]:
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
