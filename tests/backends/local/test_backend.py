import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest

import mnistlib
from mnistlib import (
    BackendError,
    DatasetNotFoundError,
    JobError,
    JobFailedError,
    LocalBackend,
    RunStateError,
    ScriptJob,
    SweepJob,
    TrainJob,
    get_backend,
)
from mnistlib.runs import RunStore

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


def test_the_result_has_the_status_metrics_and_model_of_the_run(tmp_path: Path) -> None:
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


def test_an_unexpected_error_is_reported_with_its_class(tmp_path: Path) -> None:
    # A file that can be opened but not read: an error of the system, not of the data.
    for name in ("train-images.gz", "train-labels.gz", "test-images.gz", "test-labels.gz"):
        (tmp_path / name).symlink_to("/proc/self/mem")
    with pytest.raises(JobFailedError, match=r"failed: OSError: .*Input/output error"):
        LocalBackend(tmp_path / "runs").run(TrainJob(dataset=str(tmp_path)))


def test_the_runs_folder_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTLIB_RUNS", str(tmp_path / "here"))
    assert LocalBackend().run(JOB).path.is_relative_to(tmp_path / "here")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 256])
def test_an_invalid_experiment_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(JobError, match="experiment's name"):
        LocalBackend(tmp_path).run(JOB, experiment=name)


def test_a_run_folder_can_be_moved_and_still_loads(tmp_path: Path) -> None:
    result = LocalBackend(tmp_path / "runs").run(JOB)
    shutil.move(result.path, tmp_path / "elsewhere")
    assert mnistlib.load_model(tmp_path / "elsewhere" / "outputs").description is not None


def test_a_backend_is_made_by_name(tmp_path: Path) -> None:
    assert isinstance(get_backend("local", runs_folder=tmp_path), LocalBackend)
    assert isinstance(get_backend(), LocalBackend)


def test_an_unknown_backend_lists_the_known_ones() -> None:
    with pytest.raises(BackendError, match="unknown backend 'slurm': expected one of local"):
        get_backend("slurm")


def test_the_working_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    LocalBackend(os.environ["MNISTLIB_RUNS"]).run(JOB)
    assert list(tmp_path.iterdir()) == []


def test_parallel_workers_do_not_mix_up_their_warnings(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path, max_workers=2)
    hasty = TrainJob(dataset="digits", solver="lbfgs", max_iter=2)
    patient = TrainJob(dataset="digits", solver="lbfgs", tol=1e-1, regularization=10.0)
    runs = [(job, backend.submit(job)) for _ in range(6) for job in (hasty, patient)]
    for job, run in runs:
        assert run.result(60).converged is (job is patient)


def test_a_trial_cancelled_in_the_queue_is_not_trained(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "runs")
    (tmp_path / "wait.py").write_text(
        "import pathlib, time\nwhile not pathlib.Path('outputs/go').exists():\n    time.sleep(0.01)"
    )
    first = backend.submit(ScriptJob(script="wait.py", source_directory=str(tmp_path)))
    sweep = backend.submit(SweepJob(base=JOB, regularization=[0.5, 5.0]))
    sweep.children()[0].cancel()
    first.cancel()
    assert sweep.wait(60) == "completed"
    assert [child.status for child in sweep.children()] == ["cancelled", "completed"]
    assert sweep.best is not None
    assert sweep.best.id == sweep.children()[1].id


def test_trials_are_deleted_only_with_their_sweep(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    sweep = backend.submit(SweepJob(base=JOB, regularization=[0.5, 5.0]))
    sweep.wait(60)
    store = RunStore(tmp_path)
    with pytest.raises(RunStateError, match=f"belongs to the sweep {sweep.id}: delete the sweep instead"):
        store.delete(store.find(sweep.children()[0].id))
    store.delete(sweep.path)
    assert backend.runs() == []


def test_trials_reused_by_a_later_sweep_outlive_the_first_sweep(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    first = backend.submit(SweepJob(base=JOB, regularization=[0.5]))
    first.wait(60)
    later = backend.submit(SweepJob(base=JOB, regularization=[0.5, 5.0]), resume=True)
    later.wait(60)
    RunStore(tmp_path).delete(first.path)
    assert [child.status for child in later.children()] == ["completed", "completed"]


def test_form_feeds_do_not_split_lines_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(r"print('one\x0ctwo\u2028three\nfour')")
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    assert list(run.follow_logs())[1:] == ["one\x0ctwo\u2028three", "four"]


def test_submitted_jobs_complete_before_their_script_exits(tmp_path: Path) -> None:
    code = (
        "import sys, mnistlib\nprint(mnistlib.LocalBackend(sys.argv[1]).submit(mnistlib.TrainJob(dataset='digits')).id)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert LocalBackend(tmp_path).attach(done.stdout.strip()).status == "completed"


def test_deleted_backends_leave_no_threads(tmp_path: Path) -> None:
    before = threading.active_count()
    for number in range(5):
        LocalBackend(tmp_path / str(number)).run(JOB)
    gc.collect()
    deadline = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_a_failed_trial_does_not_fail_the_sweep(tmp_path: Path, solver: str) -> None:
    backend = LocalBackend(tmp_path / "runs")
    (tmp_path / "wait.py").write_text("import time\nwhile True:\n    time.sleep(0.01)")
    first = backend.submit(ScriptJob(script="wait.py", source_directory=str(tmp_path)))
    base = TrainJob(dataset="digits", solver=solver, tol=1e-1)
    sweep = backend.submit(SweepJob(base=base, regularization=[0.5, 5.0]))
    Path(tmp_path, "runs", "default", sweep.children()[0].id, "outputs").write_text("in the way of its model")
    first.cancel()
    assert sweep.wait(60) == "completed"
    assert [child.status for child in sweep.children()] == ["failed", "completed"]
