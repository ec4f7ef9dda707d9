"""Files that version 0.1 has written: runs, a sweep, a registry, a service, results from a cluster."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn

from mnistlib import LocalBackend, ModelError, ScriptJob, ServiceStatus, SweepJob, TrainJob, load_dataset, load_model
from mnistlib.errors import JobCancelledError, JobFailedError
from mnistlib.jobs.job import job_from_json
from mnistlib.runs import Run
from tests.report.test_report import Page, assert_stands_alone
from tests.serving.servers import IDX, idx, needs_server, serving

WRITTEN = Path(__file__).with_name("written_by_0_1")
WRITTEN_WITH = "1.6.1"  # the version of scikit-learn
TRAIN = TrainJob(dataset="digits", limit=300, regularization=0.5, tol=1e-3)
SWEEP = SweepJob(base=TRAIN, regularization=[1000.0, 1.0, 100.0])
TAGS = {"purpose": "fixture", "by": "user"}
STATUSES = {
    "trained": "completed",
    "swept": "completed",
    "script": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "killed": "failed",
}
BROUGHT: dict[str, dict[str, str]] = json.loads((WRITTEN / "cloud.json").read_text())


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A copy of the folder of runs."""
    return shutil.copytree(WRITTEN / "runs", tmp_path / "written", symlinks=True)


@pytest.fixture
def backend(runs: Path) -> LocalBackend:
    return LocalBackend(runs)


def named(backend: LocalBackend, name: str) -> Run:
    (run,) = [run for run in backend.runs() if run.name == name]
    return run


def command(runs: Path, *arguments: object) -> str:
    """Run a command on a folder of runs, and return its output."""
    words = [sys.executable, "-m", "mnistlib", *map(str, arguments), "--runs", str(runs)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy_of(model: Any) -> float:
    test = load_dataset("digits", limit=TRAIN.limit).test
    return float(np.mean(model.predict(test.images) == test.labels))


def test_the_command_line_lists_every_run_with_its_end(runs: Path) -> None:
    listed = json.loads(command(runs, "runs", "list", "--json"))["runs"]
    assert {run["name"]: run["status"] for run in listed} == STATUSES


def test_the_runs_of_a_sweep_are_listed_on_request(runs: Path) -> None:
    listed = json.loads(command(runs, "runs", "list", "--children", "--json"))["runs"]
    assert len(listed) == len(STATUSES) + len(SWEEP.regularization)


def test_the_command_line_shows_a_run(backend: LocalBackend, runs: Path) -> None:
    run = named(backend, "trained")
    shown = json.loads(command(runs, "runs", "show", run.id, "--json"))
    assert (shown["name"], shown["status"], shown["tags"]) == ("trained", "completed", TAGS)
    assert shown["metrics"]["accuracy"] == run.metrics().latest["accuracy"] > 0.9


def test_a_stored_job_is_the_same_job(backend: LocalBackend, runs: Path) -> None:
    for name, job in (("trained", TRAIN), ("swept", SWEEP)):
        assert job_from_json((runs / "digits" / named(backend, name).id / "job.json").read_bytes()) == job


def test_a_stored_script_job_is_read(backend: LocalBackend, runs: Path) -> None:
    job = job_from_json((runs / "digits" / named(backend, "script").id / "job.json").read_bytes())
    assert isinstance(job, ScriptJob)
    assert (job.script, tuple(job.arguments)) == ("script.py", ("hello",))


def test_a_stored_model_has_the_accuracy_in_its_record(backend: LocalBackend) -> None:
    result = named(backend, "trained").result()
    assert result.model_path is not None
    model = load_model(result.model_path)
    assert accuracy_of(model) == pytest.approx(result.metrics["accuracy"], abs=1 / 300)
    assert model.description is not None
    assert model.description.metrics["accuracy"] == result.metrics["accuracy"]


def test_a_stored_model_has_probabilities(backend: LocalBackend) -> None:
    result = named(backend, "trained").result()
    assert result.model_path is not None
    probabilities = load_model(result.model_path).predict_proba(load_dataset("digits").test.images[:5])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_the_command_line_evaluates_a_stored_model(backend: LocalBackend, runs: Path) -> None:
    run = named(backend, "trained")
    evaluation = json.loads(command(runs, "evaluate", run.id, "--json"))
    assert evaluation["accuracy"] == pytest.approx(run.metrics().latest["accuracy"], abs=1 / 300)
    assert evaluation["count"] == 300


def test_the_values_of_a_metric_are_read_in_order(backend: LocalBackend) -> None:
    assert named(backend, "script").metrics()["loss"] == [(0, 1.0), (1, 1 / 2), (2, 1 / 3)]


def test_an_output_of_a_script_is_downloaded(backend: LocalBackend, tmp_path: Path) -> None:
    (copy,) = named(backend, "script").download(tmp_path / "copies", ["outputs/result.txt"])
    assert copy.read_text() == "42\n"


def test_a_log_is_printed(backend: LocalBackend, runs: Path) -> None:
    assert "script says hello" in command(runs, "runs", "logs", named(backend, "script").id)


def test_a_failed_run_raises_its_error(backend: LocalBackend) -> None:
    with pytest.raises(JobFailedError, match=r"(?s)script\.py ended with exit status 1.*ValueError: no such luck"):
        named(backend, "failed").result()


def test_a_cancelled_run_raises_that_it_was_cancelled(backend: LocalBackend) -> None:
    with pytest.raises(JobCancelledError):
        named(backend, "cancelled").result()


def test_a_run_of_a_killed_process_has_failed(backend: LocalBackend) -> None:
    with pytest.raises(JobFailedError, match="the process that ran it ended before the run did"):
        named(backend, "killed").result()


def test_the_runs_of_a_sweep_are_in_the_order_of_its_job(backend: LocalBackend, runs: Path) -> None:
    children = named(backend, "swept").children()
    jobs = [job_from_json((runs / "digits" / child.id / "job.json").read_bytes()) for child in children]
    assert jobs == SWEEP.children()


def test_the_best_run_of_a_sweep_is_found(backend: LocalBackend) -> None:
    swept = named(backend, "swept")
    best = swept.best
    assert best is not None
    assert best.id == swept.children()[1].id
    assert swept.metrics().latest["best_regularization"] == 1.0


def test_the_model_of_a_sweep_is_its_best(backend: LocalBackend) -> None:
    result = named(backend, "swept").result()
    assert result.model_path is not None
    assert accuracy_of(load_model(result.model_path)) == pytest.approx(result.metrics["accuracy"], abs=1 / 300)


def test_a_resumed_sweep_takes_over_all_completed_runs(backend: LocalBackend) -> None:
    known = [child.id for child in named(backend, "swept").children()]
    again = backend.submit(SWEEP, experiment="digits", resume=True)
    again.result()
    assert [child.id for child in again.children()] == known


def test_the_command_line_compares_the_runs_of_a_sweep(backend: LocalBackend, runs: Path) -> None:
    children = [child.id for child in named(backend, "swept").children()]
    compared = json.loads(command(runs, "runs", "compare", *children, "--json"))["runs"]
    assert [run["job"] for run in compared] == [{"regularization": value} for value in SWEEP.regularization]


def test_the_command_line_reports_on_a_run(backend: LocalBackend, runs: Path, tmp_path: Path) -> None:
    run, file = named(backend, "trained"), tmp_path / "report.html"
    command(runs, "report", run.id, "--output", file)
    assert_stands_alone(file.read_text())
    page = Page(file.read_text())
    assert f"{run.metrics().latest['accuracy']:.2%} of the test images" in page.text
    for words in ("Loss curve", "Confusion matrix", "Weights of each class", "purpose"):
        assert words in page.text


def test_the_command_line_reports_on_a_sweep_and_marks_its_best(
    backend: LocalBackend, runs: Path, tmp_path: Path
) -> None:
    swept, file = named(backend, "swept"), tmp_path / "report.html"
    command(runs, "report", swept.id, "--output", file)
    page = Page(file.read_text())
    best = swept.best
    assert best is not None
    assert f"run {best.id}" in page.text
    assert f"best {best.id}" in page.text
    assert "Confusion matrix" in page.text
    for child in swept.children():
        assert child.id in page.text


@pytest.mark.parametrize("name", ["failed", "cancelled", "killed", "script"])
def test_a_report_of_a_run_without_a_model_is_written(backend: LocalBackend, runs: Path, name: str) -> None:
    run, file = named(backend, name), runs / "report.html"
    command(runs, "report", run.id, "--output", file)
    assert STATUSES[name] in Page(file.read_text()).text


def test_the_registry_lists_both_versions_and_not_the_deleted_one(backend: LocalBackend) -> None:
    run = named(backend, "trained")
    assert [(model.id, model.description, dict(model.tags), model.run_id) for model in backend.models.list()] == [
        ("digits:2", "the second", {"stage": "trial", "owner": "user"}, run.id),
        ("digits:1", "", {}, run.id),
    ]


def test_the_command_line_shows_a_registered_model(runs: Path) -> None:
    shown = json.loads(command(runs, "models", "show", "digits:2", "--json"))
    assert shown["tags"] == {"stage": "trial", "owner": "user"}
    assert shown["origin"]["dataset"] == "digits"
    assert shown["metrics"]["accuracy"] > 0.9


@pytest.mark.parametrize("number", [1, 2])
def test_a_registered_model_loads_and_answers(backend: LocalBackend, number: int) -> None:
    version = backend.models.get("digits", number)
    assert accuracy_of(version.load()) == pytest.approx(version.metrics["accuracy"], abs=1 / 300)


def test_a_registered_model_that_was_changed_is_refused(backend: LocalBackend, runs: Path) -> None:
    (file,) = (runs / ".models" / "blobs").iterdir()
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="was changed after it was registered"):
        backend.models.get("digits").load()


@pytest.mark.parametrize("name", ["trained", "swept"])
def test_a_run_is_registered_under_a_number_that_was_never_given(backend: LocalBackend, runs: Path, name: str) -> None:
    run = named(backend, name)
    command(runs, "register", run.id, "digits", "--tag", "stage=new")
    version = backend.models.get("digits")
    assert (version.id, version.run_id, dict(version.tags)) == ("digits:4", run.id, {"stage": "new"})
    assert accuracy_of(version.load()) == pytest.approx(version.metrics["accuracy"], abs=1 / 300)


@needs_server
def test_a_registered_model_is_served(runs: Path, backend: LocalBackend, tmp_path: Path) -> None:
    images = load_dataset("digits").test.images[:20]
    with serving(tmp_path, "digits:1", "--runs", runs) as server:
        answer = server.post(idx(images), IDX)
    assert answer.json() == backend.models.get("digits", 1).load().predict(images).tolist()


@needs_server
def test_the_model_of_a_run_is_served_with_the_older_name_of_an_option(
    runs: Path, backend: LocalBackend, tmp_path: Path
) -> None:
    with serving(tmp_path, named(backend, "trained").id, "--runs", runs, "--most-bytes", "1000") as server:
        assert server.post({"data": [[0] * 64]}).status_code == 200
        assert server.post({"data": [[0] * 64] * 10}).status_code == 413


def test_a_service_of_the_registry_without_its_process_has_failed(backend: LocalBackend) -> None:
    (service,) = backend.services.list()
    assert (service.name, service.model, service.status) == ("digits", "digits:2", ServiceStatus.FAILED)
    assert "digits:2" in service.logs()


@needs_server
def test_a_service_without_its_process_is_replaced(backend: LocalBackend) -> None:
    images = load_dataset("digits").test.images[:5]
    model = backend.models.get("digits", 1)
    service = model.deploy("digits", replace=True)
    try:
        assert (service.model, service.predict(images).tolist()) == ("digits:1", model.load().predict(images).tolist())
    finally:
        service.delete()


def test_a_service_without_its_process_is_deleted(backend: LocalBackend) -> None:
    backend.services.get("digits").delete()
    assert list(backend.services.list()) == []


@pytest.mark.needs("skops")
def test_an_exported_model_answers_as_the_registered_one(backend: LocalBackend) -> None:
    images = load_dataset("digits").test.images
    exported = load_model(WRITTEN / "digits.skops")
    assert (exported.predict(images) == backend.models.get("digits").load().predict(images)).all()


@pytest.mark.parametrize("kind", ["a pickle", pytest.param("an exported model", marks=pytest.mark.needs("skops"))])
def test_a_model_of_another_scikit_learn_is_read_with_one_line_about_it(
    runs: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    if sklearn.__version__ == WRITTEN_WITH:
        pytest.skip(f"this is the version that wrote the files, {WRITTEN_WITH}")
    if kind == "a pickle":
        load_model(next(runs.glob("digits/*/outputs/sklearn_mnist_model.pkl")))
    else:
        load_model(WRITTEN / "digits.skops")
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"made with scikit-learn {WRITTEN_WITH} and is read with {sklearn.__version__}" in line


def test_a_stored_sweep_is_deleted_with_its_runs(backend: LocalBackend, runs: Path) -> None:
    command(runs, "runs", "delete", named(backend, "swept").id)
    assert {record.name for record in backend.records()} == STATUSES.keys() - {"swept"}


@pytest.mark.parametrize("name", BROUGHT)
@pytest.mark.parametrize("kind", ["trained", "swept"])
def test_a_result_that_was_brought_from_a_cluster_is_a_run(runs: Path, name: str, kind: str) -> None:
    run = LocalBackend().attach(str(runs / ".cloud" / BROUGHT[name][kind]))
    result = run.result()
    assert result.model_path is not None
    assert accuracy_of(load_model(result.model_path)) == pytest.approx(result.metrics["accuracy"], abs=1 / 300)


@pytest.mark.parametrize("name", BROUGHT)
def test_the_command_line_reports_on_a_result_that_was_brought_from_a_cluster(
    runs: Path, tmp_path: Path, name: str
) -> None:
    command(runs, "report", runs / ".cloud" / BROUGHT[name]["trained"], "--output", tmp_path / "report.html")
    assert "Confusion matrix" in Page((tmp_path / "report.html").read_text()).text


@pytest.mark.parametrize("value", ["0.5", "much"])
def test_a_node_takes_the_older_name_of_an_option(value: str) -> None:
    words = [sys.executable, "-m", "mnistlib", "node", "--service", "nowhere", "--sweep", "x", "--rate", value]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    # The option is read before the service is looked for.
    assert ("invalid float value: 'much'" in done.stderr) == (value == "much")
    assert ("'nowhere'" in done.stderr) == (value != "much")
