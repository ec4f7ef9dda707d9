import json
import os
import shutil
from pathlib import Path

import joblib
import numpy as np
import pytest

import mnistlib
from mnistlib import BackendError, DatasetNotFoundError, JobError, JobFailedError, LocalBackend, TrainJob, get_backend

JOB = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)


def test_a_run_folder_holds_job_metrics_log_model_and_description(tmp_path: Path) -> None:
    result = LocalBackend(tmp_path).run(JOB, experiment="first")
    assert result.path == tmp_path / "first" / result.run_id
    files = {str(path.relative_to(result.path)) for path in result.path.rglob("*") if path.is_file()}
    assert files == {
        "job.json",
        "metrics.json",
        "metrics.jsonl",
        "run.json",
        "logs/run.log",
        "outputs/sklearn_mnist_model.pkl",
        "outputs/model.json",
    }
    assert TrainJob.from_json((result.path / "job.json").read_bytes()) == JOB
    assert json.loads((result.path / "metrics.json").read_bytes()) == dict(result.metrics)


def test_the_result_says_what_became_of_the_run(tmp_path: Path) -> None:
    result = LocalBackend(tmp_path).run(JOB)
    assert (result.status, result.experiment, result.converged) == ("completed", "default", True)
    assert result.metrics["accuracy"] > 0.9
    assert result.model_path.is_file()


def test_the_same_job_gives_the_same_coefficients_bit_for_bit(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    first, second = (joblib.load(backend.run(JOB).model_path) for _ in range(2))
    assert first.coef_.tobytes() == second.coef_.tobytes()
    assert first.intercept_.tobytes() == second.intercept_.tobytes()


def test_the_pickle_takes_pixels_in_0_to_1(tmp_path: Path) -> None:
    result = LocalBackend(tmp_path).run(TrainJob(dataset="digits", regularization=0.5, normalization="standard"))
    test = mnistlib.load_dataset("digits").test
    answers = joblib.load(result.model_path).predict(test.images.reshape(-1, 64) / 255)
    assert np.mean(answers == test.labels) == result.metrics["accuracy"]


def test_a_job_that_fails_raises_one_class_with_the_original_as_cause(tmp_path: Path) -> None:
    with pytest.raises(JobFailedError, match="failed: 'nowhere' is neither") as caught:
        LocalBackend(tmp_path).run(TrainJob(dataset="nowhere"))
    assert isinstance(caught.value.__cause__, DatasetNotFoundError)


def test_an_error_that_nobody_foresaw_is_named_by_its_class(tmp_path: Path) -> None:
    # A file that can be opened and not read: an error of the system, not of the data.
    for name in ("train-images.gz", "train-labels.gz", "test-images.gz", "test-labels.gz"):
        (tmp_path / name).symlink_to("/proc/self/mem")
    with pytest.raises(JobFailedError, match=r"failed: OSError: .*Input/output error"):
        LocalBackend(tmp_path / "runs").run(TrainJob(dataset=str(tmp_path)))


def test_runs_go_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTLIB_RUNS", str(tmp_path / "here"))
    assert LocalBackend().run(JOB).path.is_relative_to(tmp_path / "here")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 256])
def test_an_experiments_name_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(JobError, match="experiment's name"):
        LocalBackend(tmp_path).run(JOB, experiment=name)


def test_a_run_folder_can_be_moved_and_still_loads(tmp_path: Path) -> None:
    result = LocalBackend(tmp_path / "runs").run(JOB)
    shutil.move(result.path, tmp_path / "elsewhere")
    assert mnistlib.load_model(tmp_path / "elsewhere" / "outputs").description is not None


def test_a_backend_is_got_by_name(tmp_path: Path) -> None:
    assert isinstance(get_backend("local", runs_folder=tmp_path), LocalBackend)
    assert isinstance(get_backend(), LocalBackend)


def test_an_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match="unknown backend 'slurm': expected one of local"):
        get_backend("slurm")


def test_the_working_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    LocalBackend(os.environ["MNISTLIB_RUNS"]).run(JOB)
    assert list(tmp_path.iterdir()) == []
