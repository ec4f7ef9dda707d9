"""Clusters through azureml-core."""

from typing import Any

import pytest

pytest.importorskip("azureml.core")

from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import make_cluster, workspace_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.usefixtures("home")
def test_a_quota_of_cores_holds_over_all_clusters() -> None:
    with AzureMLEmulator(vm_quota=8) as service:
        workspace = workspace_of(service)
        make_cluster(workspace, "first", nodes=3)
        with pytest.raises(ComputeTargetException, match="ClusterCoreQuotaReached"):
            make_cluster(workspace, "second", nodes=2)
        make_cluster(workspace, "third", nodes=1)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("good-name", "STANDARD_X1", "VM size STANDARD_X1 is not supported"),
        ("9lives", "STANDARD_D2_V2", "not a valid name"),
    ],
)
def test_a_cluster_that_can_not_be_is_refused(workspace: Any, name: str, size: str, message: str) -> None:
    settings = AmlCompute.provisioning_configuration(size, max_nodes=1)
    with pytest.raises(ComputeTargetException, match=message):
        ComputeTarget.create(workspace, name, settings)
