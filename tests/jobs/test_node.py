"""A job on a cluster's node, without a cluster."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnistlib import RunStatus, SweepJob, TrainJob
from mnistlib.jobs import Job
from mnistlib.jobs.node import run_on_node

TRAIN = TrainJob(dataset="digits", limit=200, tol=1e-2)
SWEEP = SweepJob(base=TRAIN, regularization=[0.5, 5.0])


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the settings that a node changes for its whole process."""
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def lie(folder: Path, job: Job) -> Path:
    (folder / "job.json").write_text(job.to_json())
    return folder


def test_the_job_in_the_folder_is_executed(tmp_path: Path) -> None:
    record = run_on_node(lie(tmp_path, TRAIN), run_id="r", experiment="e")
    assert (record.status, record.job_type, record.error) == (RunStatus.COMPLETED, "train", None)
    assert (tmp_path / "outputs/sklearn_mnist_model.pkl").exists()


@pytest.mark.parametrize("trial", [0, 1])
def test_a_trial_of_the_sweep_in_the_folder_is_known_by_its_index(tmp_path: Path, trial: int) -> None:
    record = run_on_node(lie(tmp_path, SWEEP), run_id="r", experiment="e", trial=trial)
    assert record.status is RunStatus.COMPLETED
    done = TrainJob.from_json((tmp_path / "logs/job.json").read_bytes())
    assert (done.regularization, done.validation) == (SWEEP.regularization[trial], 0.2)


def test_the_files_of_a_run_are_in_the_collected_folders(tmp_path: Path) -> None:
    run_on_node(lie(tmp_path, TRAIN), run_id="r", experiment="e")
    assert {"job.json", "metrics.json", "metrics.jsonl", "run.json", "run.log"} <= {
        path.name for path in (tmp_path / "logs").iterdir()
    }
