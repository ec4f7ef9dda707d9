"""End of sweeps on both backends for Azure Machine Learning, with delays and errors of the workspace."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mnistlib
from mnistlib import ClusterError, JobFailedError, RunStatus, ScriptJob, SweepJob, TrainJob
from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import with_sdk

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 240
BASE = TrainJob(dataset="digits", tol=1e-2)
SWEEP = SweepJob(base=BASE, regularization=[1e4, 0.5])

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=[with_sdk("azureml"), with_sdk("azureml-v2")])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def emulator(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["AzureMLEmulator"]:
    """An emulator that lists the files of a run only after its process has ended."""
    from mnistlib.testing.azureml import AzureMLEmulator

    monkeypatch.setenv("HOME", str(tmp_path))
    with AzureMLEmulator(tmp_path / "azureml", collect_seconds=3600) as emulator:
        yield emulator


@pytest.fixture
def backend(name: str, emulator: "AzureMLEmulator", tmp_path: Path) -> Any:
    retries = RetryPolicy(first_pause=0.01, longest_pause=0.1)
    return get_backend(name, config=emulator.config_path, runs_folder=tmp_path / "runs", retries=retries)


def test_the_best_is_chosen_from_all_trials_even_if_their_files_are_visible_late(backend: Any) -> None:
    run = backend.submit(SWEEP)
    result = run.result(LIMIT)
    values = [child.metrics().latest["accuracy"] for child in run.children()]
    assert result.metrics["best_accuracy"] == max(values)
    assert values[0] != values[1]


def test_a_failed_registration_does_not_fail_the_sweep(emulator: "AzureMLEmulator", backend: Any) -> None:
    emulator.faults.add("error", match="POST .*/modelmanagement/.*/models$", status=403, times=1000)
    run = backend.submit(SWEEP, register_as="refused")
    assert run.wait(LIMIT) is RunStatus.COMPLETED
    assert mnistlib.load_model(run.result(LIMIT).model_path).description is not None
    assert backend.models.list("refused") == []


def test_a_failed_sweep_is_failed_for_every_reader(backend: Any) -> None:
    run = backend.submit(SweepJob(base=BASE, regularization=[0.5], primary_metric="beauty"))
    assert run.wait(LIMIT) is RunStatus.FAILED
    assert backend.attach(run.id).status is RunStatus.FAILED
    assert {record.run_id: record.status for record in backend.records()}[run.id] is RunStatus.FAILED
    with pytest.raises(JobFailedError, match="no trial has the primary metric 'beauty'"):
        backend.attach(run.id).result(LIMIT)


def test_a_trial_on_a_users_data_is_reused(backend: Any, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for which, count in (("train", 40), ("test", 10)):
        images = np.zeros((count, 4, 4), np.uint8)
        images[np.arange(count), 0, np.arange(count) % 2] = 255
        mnistlib.write_idx(folder / f"{which}-images", images)
        mnistlib.write_idx(folder / f"{which}-labels", (np.arange(count) % 2).astype(np.uint8))
    base = TrainJob(dataset=str(folder))
    first = backend.submit(SweepJob(base=base, regularization=[1.0]))
    assert first.wait(LIMIT) is RunStatus.COMPLETED
    again = backend.submit(SweepJob(base=base, regularization=[1.0, 2.0]), resume=True)
    assert again.wait(LIMIT) is RunStatus.COMPLETED
    assert again.children()[0].id == first.children()[0].id


def test_a_run_without_a_model_completes_despite_register_as(backend: Any, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/train.py").write_text("print('done')\n")
    job = ScriptJob(script="train.py", source_directory=str(tmp_path / "source"))
    assert backend.submit(job, register_as="nothing").wait(LIMIT) is RunStatus.COMPLETED
    assert backend.models.list("nothing") == []


@pytest.mark.parametrize("name", [with_sdk("azureml")], indirect=True)  # it submits each trial by itself
def test_a_partially_submitted_sweep_is_cancelled(emulator: "AzureMLEmulator", backend: Any) -> None:
    emulator.faults.add("error", match="POST .*/snapshotrun", status=403, times=1000, after=1)
    with pytest.raises(ClusterError, match="submitting run"):
        backend.submit(SWEEP)
    emulator.faults.clear()
    (sweep,) = [run for run in backend.runs() if run.record.job_type == "sweep"]
    assert sweep.wait(LIMIT) is RunStatus.FAILED
    assert "could not be submitted" in str(sweep.record.error)
    assert {child.wait(LIMIT) for child in sweep.children()} == {RunStatus.CANCELLED}
