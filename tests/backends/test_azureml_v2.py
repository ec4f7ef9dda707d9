"""Client, credential, SDK objects and sweep jobs of the backend azureml-v2."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib import AmlComputeSpec, SweepJob, TrainJob
from mnistlib.backends import get_backend
from tests.azureml import needs_sdk, strangers, workspace

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 120
TRAIN = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)

# Warnings of the SDK and its dependencies are ignored.
pytestmark = [needs_sdk("azureml-v2"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator["AzureMLEmulator"]:
    """Serve a workspace with a completed run."""
    folder = tmp_path_factory.mktemp("v2")
    with workspace(folder, tmp_path_factory.getbasetemp(), backend="azureml-v2", finished=TRAIN) as emulator:
        yield emulator
        assert strangers(emulator) == []  # no request left this machine


@pytest.fixture
def backend(emulator: "AzureMLEmulator", tmp_path: Path) -> Any:
    return get_backend("azureml-v2", config=emulator.config_path, runs_folder=tmp_path / "runs")


def test_a_given_client_is_used_with_its_own_credential(emulator: "AzureMLEmulator", tmp_path: Path) -> None:
    from azure.ai.ml import MLClient

    client = MLClient.from_config(emulator.credential, path=str(emulator.config_path), show_progress=False)
    before = len(emulator.requests)
    backend: Any = get_backend("azureml-v2", ml_client=client, runs_folder=tmp_path)
    assert backend.ml_client is client
    (run,) = [run for run in backend.runs() if run.experiment == "default"]
    assert run.metrics().latest["accuracy"] > 0.9
    # No other credential has signed in.
    assert not [each for each in emulator.requests[before:] if each.host.startswith("login")]


def test_a_given_credential_is_used(emulator: "AzureMLEmulator", tmp_path: Path) -> None:
    before = len(emulator.requests)
    backend = get_backend(
        "azureml-v2", config=emulator.config_path, credential=emulator.credential, runs_folder=tmp_path
    )
    assert backend.runs()
    assert not [each for each in emulator.requests[before:] if each.host.startswith("login")]


def test_sdk_run_is_the_job_of_the_sdk(backend: Any) -> None:
    from azure.ai.ml.entities import Job

    (run,) = [run for run in backend.runs() if run.experiment == "default"]
    assert isinstance(run.sdk_run, Job)
    assert (run.sdk_run.name, run.sdk_run.status) == (run.id, "Completed")


def test_a_sweep_is_a_sweep_job_of_azure_with_a_grid_over_its_trials(backend: Any) -> None:
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


def test_a_sweep_limits_its_concurrent_trials_to_the_cluster(emulator: "AzureMLEmulator", tmp_path: Path) -> None:
    backend: Any = get_backend(
        "azureml-v2",
        config=emulator.config_path,
        compute=AmlComputeSpec(name="double", max_nodes=2),
        runs_folder=tmp_path,
    )
    sweep = backend.submit(SweepJob(base=TRAIN, regularization=[0.1, 1.0, 10.0]))
    sweep.cancel()
    limits = sweep.sdk_run.limits
    assert (limits.max_total_trials, limits.max_concurrent_trials) == (3, 2)
