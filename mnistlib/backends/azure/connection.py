"""Options that both backends for Azure Machine Learning share."""

from dataclasses import dataclass

from mnistlib.backends.spec import Connection
from mnistlib.environment import Variable
from mnistlib.options import option

__all__ = ["CLUSTER_VARIABLES", "WorkspaceConnection"]

# The names and defaults are those of Microsoft's tutorial.
CLUSTER_NAME = Variable("AML_COMPUTE_CLUSTER_NAME", "name of the cluster", "cpu-cluster")
CLUSTER_SKU = Variable("AML_COMPUTE_CLUSTER_SKU", "VM size of its nodes", "STANDARD_D2_V2")
CLUSTER_MIN_NODES = Variable("AML_COMPUTE_CLUSTER_MIN_NODES", "minimum number of its nodes", "0")
CLUSTER_MAX_NODES = Variable("AML_COMPUTE_CLUSTER_MAX_NODES", "maximum number of its nodes", "4")
CLUSTER_VARIABLES = (CLUSTER_NAME, CLUSTER_SKU, CLUSTER_MIN_NODES, CLUSTER_MAX_NODES)


@dataclass(frozen=True, kw_only=True)
class WorkspaceConnection(Connection):
    """Options of a backend of a workspace.

    Attributes
    ----------
    config : str or None
        A ``config.json`` of the workspace, or the folder where the search for one starts.
    """

    config: str | None = option(
        None, "config.json of the workspace, or the folder to search from (default: this folder)", metavar="FILE"
    )
