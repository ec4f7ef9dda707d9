"""AzureMLBackend with its data registered as data sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mnistlib
from mnistlib import AzureMLBackend, RunStatus, SweepJob, TrainJob
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import workspace

pytest.importorskip("azureml.dataprep")

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 120
QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.1)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def emulator(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["AzureMLEmulator"]:
    with workspace(tmp_path, tmp_path_factory.getbasetemp()) as emulator:
        yield emulator


def backend_of(emulator: "AzureMLEmulator", tmp_path: Path) -> AzureMLBackend:
    """Return a new backend, without a cache of the data sent before."""
    runs = tmp_path / "runs"
    return AzureMLBackend(config=emulator.config_path, data="dataset", runs_folder=runs, retries=QUICK)


@pytest.fixture
def job(tmp_path: Path) -> TrainJob:
    """A job with a new data folder, written by :func:`write`."""
    write(tmp_path / "my digits", brightness=255)
    return TrainJob(dataset=str(tmp_path / "my digits"))


def write(folder: Path, *, brightness: int) -> None:
    folder.mkdir(exist_ok=True)
    for which, count in (("train", 40), ("test", 10)):
        images = np.zeros((count, 4, 4), np.uint8)
        images[np.arange(count), 0, np.arange(count) % 2] = brightness
        mnistlib.write_idx(folder / f"{which}-images", images)
        mnistlib.write_idx(folder / f"{which}-labels", (np.arange(count) % 2).astype(np.uint8))


def versions(backend: AzureMLBackend) -> dict[str, int]:
    from azureml.core import Dataset

    return {known.name: known.version for known in Dataset.get_all(backend.workspace).registrations}


def registrations(emulator: "AzureMLEmulator") -> int:
    return sum(request.method == "POST" and request.path.endswith("/datasets") for request in emulator.requests)


def test_a_job_reads_its_data_from_a_registered_data_set(
    emulator: "AzureMLEmulator", job: TrainJob, tmp_path: Path
) -> None:
    backend = backend_of(emulator, tmp_path)
    run = backend.submit(job)
    assert run.result(LIMIT).metrics["accuracy"] == 1.0
    assert versions(backend) == {"my_digits": 1}
    (used,) = run.sdk_run.get_details()["runDefinition"]["data"].values()  # type: ignore[attr-defined] # of this backend
    assert used["mechanism"] == "mount"


def test_a_data_set_has_a_new_version_only_when_its_content_has_changed(
    emulator: "AzureMLEmulator", job: TrainJob, tmp_path: Path
) -> None:
    found = []
    for brightness in (255, 255, 100, 255):
        write(tmp_path / "my digits", brightness=brightness)
        backend = backend_of(emulator, tmp_path)
        backend.submit(job)
        found.append(versions(backend)["my_digits"])
    assert found == [1, 1, 2, 2]
    assert registrations(emulator) == 2


def test_the_data_set_of_a_sweep_is_searched_and_registered_once(
    emulator: "AzureMLEmulator", job: TrainJob, tmp_path: Path
) -> None:
    backend = backend_of(emulator, tmp_path)
    run = backend.submit(SweepJob(base=job, regularization=[0.1, 1.0]))
    assert run.result(LIMIT).metrics["accuracy"] == 1.0
    methods = [request.method for request in emulator.requests if request.path.endswith("/datasets")]
    assert methods == ["GET", "POST"]


@pytest.mark.parametrize("kind", ["lost_answer", "error", "throttle"])
def test_a_registration_with_a_fault_makes_one_version(
    emulator: "AzureMLEmulator", job: TrainJob, tmp_path: Path, kind: Any
) -> None:
    fault = emulator.faults.add(kind, match="POST .*/datasets$", status=502)
    backend = backend_of(emulator, tmp_path)
    backend.submit(job).cancel()
    assert fault.count == 1
    assert versions(backend) == {"my_digits": 1}


def test_a_retried_submission_still_has_its_data(emulator: "AzureMLEmulator", job: TrainJob, tmp_path: Path) -> None:
    fault = emulator.faults.add("error", match="POST .*/snapshotrun", status=503)
    assert backend_of(emulator, tmp_path).submit(job).wait(LIMIT) is RunStatus.COMPLETED
    assert fault.count == 1


def test_a_plan_names_the_data_set_to_register(job: TrainJob, tmp_path: Path) -> None:
    plan = AzureMLBackend(config=tmp_path / "nowhere.json", data="dataset").plan(job)
    assert "register the data set my_digits: a new version, unless one has the same content" in str(plan)
    assert "azureml-dataset-runtime[fuse]==" in str(plan)
