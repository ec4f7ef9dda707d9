"""Description of the backend for Azure Machine Learning through azure-ai-ml."""

from dataclasses import dataclass

from mnistlib.backends.azure.connection import CLUSTER_VARIABLES, WorkspaceConnection
from mnistlib.backends.spec import BackendSpec, Options
from mnistlib.options import option, whole

__all__ = ["SPEC", "EndpointDeployment"]


@dataclass(frozen=True, kw_only=True)
class EndpointDeployment(Options):
    """Options of a service at a managed online endpoint.

    Attributes
    ----------
    instance_type : str
        Size of its machines.
    instance_count : int
        Number of its machines.
    traffic : int
        Percentage of the requests for a deployment that replaces another.
    """

    instance_type: str = option("Standard_DS3_v2", "size of its machines (default: Standard_DS3_v2)", metavar="SIZE")
    instance_count: int = option(1, "number of its machines (default: 1)", metavar="N", check=whole(1))
    traffic: int = option(100, "with --replace, its share of the requests (default: 100)", metavar="PERCENT")


SPEC = BackendSpec(
    name="azureml-v2",
    backend="mnistlib.backends.azureml_v2.backend:AzureMLv2Backend",
    node="mnistlib.backends.azureml_v2.node:AzureMLv2Node",
    doctor="mnistlib.backends.azureml_v2.doctor:steps",
    connection=WorkspaceConnection,
    variables=CLUSTER_VARIABLES,
    deployment=EndpointDeployment,
)
