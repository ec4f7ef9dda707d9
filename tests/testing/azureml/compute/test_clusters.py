"""Clusters grow with their queues, and shrink without work."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import Submit, finished, make_cluster, submit_text, wait_until, workspace_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.usefixtures("home")
def test_a_cluster_grows_with_its_queue_to_its_maximum_and_shrinks_to_its_minimum(tmp_path: Path) -> None:
    with AzureMLEmulator(node_idle_seconds=0.2) as service:
        workspace = workspace_of(service)
        cluster = make_cluster(workspace, "scaling", nodes=2)
        gate = tmp_path / "gate"
        code = f"""
            import os, time
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            """
        runs = [submit_text(workspace, cluster, tmp_path / "project", code) for _ in range(3)]

        def statuses() -> list[str]:
            return sorted(run.get_status() for run in runs)

        wait_until(lambda: statuses() == ["Queued", "Running", "Running"])
        status = cluster.get_status()
        assert (status.current_node_count, status.node_state_counts.running_node_count) == (2, 2)
        assert {node["runId"] for node in cluster.list_nodes()} < {run.id for run in runs}
        gate.touch()
        assert [finished(run) for run in runs] == ["Completed"] * 3
        wait_until(lambda: cluster.get_status().current_node_count == 0)


@pytest.mark.usefixtures("home")
def test_a_node_takes_its_time_to_start_and_a_queued_run_can_be_cancelled(tmp_path: Path) -> None:
    with AzureMLEmulator(node_start_seconds=600) as service:
        workspace = workspace_of(service)
        cluster = make_cluster(workspace, "slow", nodes=1)
        run = submit_text(workspace, cluster, tmp_path / "project", "print('never')")
        assert run.get_status() == "Queued"
        assert cluster.get_status().allocation_state == "Resizing"
        run.cancel()
        assert finished(run) == "Canceled"


@pytest.mark.usefixtures("home")
def test_a_minimum_of_nodes_is_there_before_any_work() -> None:
    with AzureMLEmulator(node_idle_seconds=0.01) as service:
        cluster = make_cluster(workspace_of(service), "warm", nodes=2, fewest=1)
        assert cluster.get_status().current_node_count == 1
        cluster.update(min_nodes=0)
        wait_until(lambda: cluster.get_status().current_node_count == 0)


def test_cancelling_a_queued_run_takes_it_out_of_the_queue(workspace: Any, submit: Submit) -> None:
    cluster = make_cluster(workspace, "one-node", nodes=1)
    first = submit("import time; time.sleep(600)", target=cluster)
    wait_until(lambda: first.get_status() == "Running")
    second = submit("import time; time.sleep(600)", target=cluster)
    assert second.get_status() == "Queued"
    second.cancel()
    assert finished(second) == "Canceled"
    first.cancel()
    assert finished(first) == "Canceled"
    cluster.delete()
