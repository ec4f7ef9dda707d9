"""What is the second backend's own: its client and its credential, its objects, and sweeps that the service runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib import AmlComputeSpec, SweepJob, TrainJob
from mnistlib.backends import get_backend
from tests.azureml import strangers, workspace

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 120
TRAIN = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)

# What the SDK and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator["AzureMLEmulator"]:
    """Serve a workspace in which a run has completed."""
    folder = tmp_path_factory.mktemp("v2")
    with workspace(folder, tmp_path_factory.getbasetemp(), backend="azureml-v2", finished=TRAIN) as service:
        yield service
        assert strangers(service) == []  # nobody tried to leave this machine


@pytest.fixture
def backend(service: "AzureMLEmulator", tmp_path: Path) -> Any:
    return get_backend("azureml-v2", config=service.config_path, runs_folder=tmp_path / "runs")


def test_a_client_that_is_given_is_used_with_its_own_credential(service: "AzureMLEmulator", tmp_path: Path) -> None:
    from azure.ai.ml import MLClient

    client = MLClient.from_config(service.credential, path=str(service.config_path), show_progress=False)
    before = len(service.requests)
    backend: Any = get_backend("azureml-v2", ml_client=client, runs_folder=tmp_path)
    assert backend.ml_client is client
    (run,) = [run for run in backend.runs() if run.experiment == "default"]
    assert run.metrics().latest["accuracy"] > 0.9
    # Nobody else has signed in.
    assert not [each for each in service.requests[before:] if each.host.startswith("login")]


def test_a_credential_that_is_given_is_the_one_that_signs_in(service: "AzureMLEmulator", tmp_path: Path) -> None:
    before = len(service.requests)
    backend = get_backend("azureml-v2", config=service.config_path, credential=service.credential, runs_folder=tmp_path)
    assert backend.runs()
    assert not [each for each in service.requests[before:] if each.host.startswith("login")]


def test_the_sdks_own_job_is_at_hand(backend: Any) -> None:
    from azure.ai.ml.entities import Job

    (run,) = [run for run in backend.runs() if run.experiment == "default"]
    assert isinstance(run.sdk_run, Job)
    assert (run.sdk_run.name, run.sdk_run.status) == (run.id, "Completed")


def test_a_sweep_is_the_services_own_with_a_grid_over_its_trials(backend: Any) -> None:
    sweep = backend.submit(SweepJob(base=TRAIN, regularization=[0.001, 1.0]), experiment="Sweeps", name="two trials")
    result = sweep.result(LIMIT)
    job = sweep.sdk_run
    assert (job.type, job.display_name, job.experiment_name) == ("sweep", "two trials", "Sweeps")
    assert list(job.search_space) == ["trial"]
    assert list(job.search_space["trial"].values) == [0, 1]
    assert job.properties["best_child_run_id"] == sweep.best.id
    assert [child.record.parent for child in sweep.children()] == [sweep.id] * 2
    accuracies = [child.metrics().latest["accuracy"] for child in sweep.children()]
    assert max(accuracies) == sweep.best.metrics().latest["accuracy"]
    assert result.metrics["accuracy"] > 0.9


def test_a_sweep_says_how_many_of_its_runs_may_go_at_once(service: "AzureMLEmulator", tmp_path: Path) -> None:
    backend: Any = get_backend(
        "azureml-v2",
        config=service.config_path,
        compute=AmlComputeSpec(name="double", max_nodes=2),
        runs_folder=tmp_path,
    )
    sweep = backend.submit(SweepJob(base=TRAIN, regularization=[0.1, 1.0, 10.0]))
    sweep.cancel()
    limits = sweep.sdk_run.limits
    assert (limits.max_total_trials, limits.max_concurrent_trials) == (3, 2)
