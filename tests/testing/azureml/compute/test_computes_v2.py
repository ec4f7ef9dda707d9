"""Clusters through azure-ai-ml."""

from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")

from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import HttpResponseError

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import wait_until
from tests.testing.azureml.v2 import SubmitJob, ended, make_cluster, new_name

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_quota_fails_the_making_of_a_cluster(service: AzureMLEmulator, client: Any) -> None:
    name = new_name("c").replace("_", "-")
    service.faults.add("quota", match=name)
    with pytest.raises(HttpResponseError, match="ClusterCoreQuotaReached"):
        make_cluster(client, name, nodes=4)
    assert client.compute.get(name).provisioning_state == "Failed"


def test_a_machine_that_there_is_not_is_refused(client: Any) -> None:
    with pytest.raises(HttpResponseError, match="VM size Standard_Nothing is not supported"):
        client.compute.begin_create_or_update(AmlCompute(name="odd", size="Standard_Nothing", max_instances=1))


def test_the_nodes_of_a_cluster_are_listed(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("import time; time.sleep(600)")
    wait_until(lambda: client.jobs.get(job.name).status == "Running")
    # As with the quota: the SDK's own field stays empty.
    assert job.name in [vars(node)["runId"] for node in client.compute.list_nodes("cpu-cluster")]
    client.jobs.begin_cancel(job.name).result()


def test_the_quota_can_be_asked_for(client: Any, cluster_v2: Any) -> None:
    # The SDK's own fields stay empty, and the answer's stand beside them.
    usage = next(iter(client.compute.list_usage()))
    assert vars(usage)["currentValue"] >= 4
    assert "STANDARD_D2_V2" in [size.name for size in client.compute.list_sizes()]


def test_a_cluster_that_was_made_smaller_goes_on(client: Any, submit_job: SubmitJob) -> None:
    make_cluster(client, "shrinks", nodes=2)
    waiting = [submit_job("import time; time.sleep(600)", compute="shrinks") for _ in range(2)]
    wait_until(lambda: [client.jobs.get(job.name).status for job in waiting] == ["Running"] * 2)
    next_one = submit_job("print('next')", compute="shrinks")
    make_cluster(client, "shrinks", nodes=1)
    client.jobs.begin_cancel(waiting[0].name).result()
    assert ended(client, waiting[0].name) == "Canceled"
    assert client.jobs.get(next_one.name).status == "Queued"
    client.jobs.begin_cancel(waiting[1].name).result()
    assert ended(client, next_one.name) == "Completed"
    client.compute.begin_delete("shrinks").result()
