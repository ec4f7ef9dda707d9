"""Description of the backend for Azure Machine Learning through azureml-core."""

from dataclasses import dataclass

from mnistlib.backends.azure.connection import CLUSTER_VARIABLES, WorkspaceConnection
from mnistlib.backends.spec import BackendSpec, Options
from mnistlib.options import option

__all__ = ["SPEC", "ContainerDeployment"]


@dataclass(frozen=True, kw_only=True)
class ContainerDeployment(Options):
    """Options of a service on a container instance.

    Attributes
    ----------
    cpu_cores, memory_gb : float
        Processor cores and memory of the container.
    auth : bool
        Whether requests need the service's key.
    no_code : bool
        Whether Microsoft's server loads the model, instead of this package's.
    """

    cpu_cores: float = option(1.0, "processor cores of its container (default: 1)", metavar="N")
    memory_gb: float = option(1.0, "gigabytes of memory of its container (default: 1)", metavar="N")
    auth: bool = option(True, "accept requests without a key", flag="--no-auth")
    no_code: bool = option(False, "serve the model with Microsoft's own server")


SPEC = BackendSpec(
    name="azureml",
    backend="mnistlib.backends.azureml.backend:AzureMLBackend",
    node="mnistlib.backends.azureml.node:AzureMLNode",
    metric_reader="mnistlib.backends.azureml.offline:printed_metrics",
    doctor="mnistlib.backends.azureml.doctor:steps",
    connection=WorkspaceConnection,
    variables=CLUSTER_VARIABLES,
    deployment=ContainerDeployment,
)
