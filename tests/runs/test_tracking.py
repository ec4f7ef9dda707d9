"""The mirror in MLflow, with a real MLflow and its SQLite store."""

import json
import logging
import math
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mnistlib import LocalBackend, MissingExtraError, ScriptJob, SweepJob, TrainJob
from mnistlib.runs.mlflow import MlflowRun

JOB = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)

# MLflow and its dependencies cause deprecation warnings in each other.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables, which MLflow needs many seconds to create."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path) -> str:
    return f"sqlite:///{shutil.copy(empty_store, tmp_path)}"


@pytest.fixture
def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


@pytest.fixture
def backend(tmp_path: Path, uri: str, client: Any) -> LocalBackend:
    return LocalBackend(tmp_path / "runs", tracking_uri=uri)


@pytest.fixture(autouse=True)
def _nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def within_a_minute(look: Callable[[], Any]) -> Any:
    """Poll until the result is true."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
    raise AssertionError("no result within a minute")


def mirrored(client: Any, run_id: str, *, status: str | None = None) -> Any:
    def look() -> Any:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(experiments, f"tags.`mnistlib.run_id` = '{run_id}'")
        assert len(found) <= 1
        return found[0] if found and status in (None, found[0].info.status) else None

    return within_a_minute(look)


def artifacts(client: Any, run: Any, folder: str) -> set[str]:
    return {Path(file.path).name for file in client.list_artifacts(run.info.run_id, folder)}


def script(beside: Path, code: str, **options: Any) -> ScriptJob:
    folder = beside / "source"  # not the folder of the database
    folder.mkdir()
    (folder / "script.py").write_text(f"import mnistlib\n{code}\n")
    return ScriptJob(script="script.py", source_directory=str(folder), **options)


def test_a_run_has_its_parameters_metrics_tags_and_files(backend: LocalBackend, client: Any) -> None:
    run = backend.submit(JOB, experiment="mine", name="the first", tags={"stage": "trial"})
    result = run.result()
    seen = mirrored(client, run.id, status="FINISHED")
    assert client.get_experiment(seen.info.experiment_id).name == "mine"
    assert (seen.info.run_name, seen.data.tags["stage"]) == ("the first", "trial")
    assert seen.data.params["regularization"] == "0.5"
    assert seen.data.params["dataset"] == "digits"
    assert seen.data.metrics == result.metrics
    assert artifacts(client, seen, "outputs") == {"sklearn_mnist_model.pkl", "model.json"}
    assert artifacts(client, seen, "logs") == {"run.log"}


def test_a_metric_has_all_its_steps_in_order(backend: LocalBackend, client: Any) -> None:
    run = backend.submit(JOB)
    run.wait()
    seen = mirrored(client, run.id, status="FINISHED")
    for name, values in run.metrics().items():
        history = client.get_metric_history(seen.info.run_id, name)
        assert sorted((point.step, point.value) for point in history) == sorted(values)


def test_a_script_is_seen_while_it_runs(backend: LocalBackend, client: Any, tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = (
        "import os, sys, time\n"
        "for step in range(1200): mnistlib.current_run().log_metric('loss', 1 / (step + 1))\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
    )
    run = backend.submit(script(tmp_path, code, arguments=(str(done),)))
    seen = mirrored(client, run.id, status="RUNNING")
    within_a_minute(lambda: len(client.get_metric_history(seen.info.run_id, "loss")) == 1200)
    assert not run.done()
    done.touch()
    run.result()
    mirrored(client, run.id, status="FINISHED")
    assert len(client.get_metric_history(seen.info.run_id, "loss")) == 1200


def test_only_the_names_of_a_scripts_environment_are_logged(backend: LocalBackend, client: Any, tmp_path: Path) -> None:
    run = backend.submit(script(tmp_path, "pass", environment={"TOKEN": "geheim", "LEVEL": "3"}))
    run.wait()
    told = mirrored(client, run.id, status="FINISHED").data.params
    assert json.loads(told["environment"]) == ["LEVEL", "TOKEN"]
    assert "geheim" not in str(told)


def test_names_that_mlflow_refuses_are_replaced_by_valid_names(
    backend: LocalBackend, client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["acc@5", "/rooted", "a//b", "..", "x" * 300]
    code = f"for name in {names}: mnistlib.current_run().log_metric(name, 0.5)"
    run = backend.submit(script(tmp_path, code), tags={"who?": "me"})
    run.result()
    seen = mirrored(client, run.id, status="FINISHED")
    assert {"acc_5", "_rooted", "a__b", "_", "x" * 250} == set(seen.data.metrics)
    assert seen.data.tags["who_"] == "me"
    assert not caplog.records


def test_long_values_and_errors_are_cut(
    backend: LocalBackend, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    run = backend.submit(script(tmp_path, "pass", arguments=("a" * 20_000,)), tags={"long": "t" * 20_000})
    failed = backend.submit(TrainJob(dataset="n" * 20_000))
    seen = mirrored(client, run.id, status="FINISHED")
    assert len(seen.data.params["arguments"]) == len(seen.data.tags["long"]) == 5000
    assert len(mirrored(client, failed.id, status="FAILED").data.tags["mlflow.note.content"]) == 5000


def test_a_run_that_mlflow_refuses_causes_one_warning_and_affects_no_other_run(
    backend: LocalBackend, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = client.create_experiment("deleted")
    client.delete_experiment(experiment)
    refused = backend.submit(JOB, experiment="deleted")
    refused.result()
    refused.register_model("refused")
    taken = backend.submit(JOB)
    taken.result()
    mirrored(client, taken.id, status="FINISHED")
    (warning,) = [record.getMessage() for record in caplog.records if "MLflow" in record.getMessage()]
    assert f"has only a part of run {refused.id}: " in warning


def test_a_failed_or_cancelled_run_has_that_status_in_mlflow(backend: LocalBackend, client: Any) -> None:
    failed = backend.submit(TrainJob(dataset="nowhere"))
    cancelled = backend.submit(JOB)
    cancelled.cancel()
    assert "nowhere" in mirrored(client, failed.id, status="FAILED").data.tags["mlflow.note.content"]
    assert cancelled.wait() in ("cancelled", "completed")
    mirrored(client, cancelled.id, status={"cancelled": "KILLED", "completed": "FINISHED"}[cancelled.status])


def test_the_trials_of_a_sweep_are_nested_below_it(backend: LocalBackend, client: Any) -> None:
    # Not with "auto", so that the children run in other processes.
    sweep = SweepJob(base=replace(JOB, solver="lbfgs"), regularization=[0.5, 5.0])
    run = backend.submit(sweep)
    run.wait()
    parent = mirrored(client, run.id, status="FINISHED")
    assert json.loads(parent.data.params["regularization"]) == [0.5, 5.0]
    for child, value in zip(run.children(), ("0.5", "5.0"), strict=True):
        seen = mirrored(client, child.id, status="FINISHED")
        assert seen.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert seen.data.params["regularization"] == value


def test_registered_versions_name_their_run(backend: LocalBackend, client: Any) -> None:
    run = backend.submit(JOB)
    run.wait()
    for description in ("the first", "the second"):
        run.register_model("sklearn_mnist", description=description, tags={"stage": "trial"})
    versions = within_a_minute(
        lambda: len(found := client.search_model_versions("name = 'sklearn_mnist'")) == 2 and found
    )
    first = min(versions, key=lambda version: int(version.version))
    assert first.run_id == mirrored(client, run.id).info.run_id
    assert (first.description, first.tags) == ("the first", {"stage": "trial", "mnistlib.version": "1"})


@pytest.mark.needs("pandas")
def test_mlflow_loads_a_registered_model(
    backend: LocalBackend, client: Any, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    from mnistlib import load_dataset

    run = backend.submit(JOB)
    run.wait()
    version = run.register_model("sklearn_mnist")
    within_a_minute(lambda: client.search_model_versions("name = 'sklearn_mnist'"))
    mlflow.set_tracking_uri(uri)
    test = load_dataset("digits").test
    answers = mlflow.sklearn.load_model("models:/sklearn_mnist/1").predict(test.images.reshape(-1, 64) / 255)
    assert (answers == version.load().predict(test.images)).all()


def test_a_run_of_an_earlier_process_is_registered_under_the_same_run(
    backend: LocalBackend, client: Any, uri: str, tmp_path: Path
) -> None:
    run = backend.submit(JOB)
    run.wait()
    seen = mirrored(client, run.id, status="FINISHED")
    LocalBackend(tmp_path / "runs", tracking_uri=uri).attach(run.id).register_model("again")
    (version,) = within_a_minute(lambda: client.search_model_versions("name = 'again'"))
    assert version.run_id == seen.info.run_id
    history = client.get_metric_history(seen.info.run_id, "accuracy")
    assert len(history) == len(run.metrics()["accuracy"])


def test_a_process_ends_after_all_is_sent(client: Any, uri: str, tmp_path: Path) -> None:
    code = (
        "import sys, mnistlib\n"
        "backend = mnistlib.LocalBackend(sys.argv[1], tracking_uri=sys.argv[2])\n"
        "run = backend.submit(mnistlib.TrainJob(dataset='digits', regularization=0.5, tol=1e-2))\n"
        "run.wait(); run.register_model('last'); print(run.id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "runs", uri], capture_output=True, text=True, check=True
    )
    (seen,) = client.search_model_versions("name = 'last'")
    assert client.get_run(seen.run_id).data.tags["mnistlib.run_id"] == done.stdout.strip()
    assert client.get_run(seen.run_id).info.status == "FINISHED"


def test_runs_of_simultaneous_processes_are_all_mirrored(client: Any, uri: str, tmp_path: Path) -> None:
    code = (
        "import sys, mnistlib\n"
        "backend = mnistlib.LocalBackend(sys.argv[1], tracking_uri=sys.argv[2])\n"
        "run = backend.submit(mnistlib.TrainJob(dataset='digits', regularization=0.5, tol=1e-2), experiment='shared')\n"
        "run.wait(); run.register_model('shared')"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "runs"), uri]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    experiment = client.get_experiment_by_name("shared").experiment_id
    assert [run.info.status for run in client.search_runs([experiment])] == ["FINISHED"] * 3, told
    assert len(client.search_model_versions("name = 'shared'")) == 3, told


def test_files_go_beside_the_database_and_nothing_into_the_working_folder(
    backend: LocalBackend, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = backend.submit(JOB)
    run.wait()
    seen = mirrored(client, run.id, status="FINISHED")
    assert Path(seen.info.artifact_uri.removeprefix("file://")).is_relative_to(tmp_path / "mlruns" / "default")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("where", ["refused", "no folder", "no database", "nonsense"])
def test_an_mlflow_that_cannot_be_reached_causes_one_warning_and_fails_no_run(
    where: str, client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "text.db").write_text("This is no database, but a text that is long enough to be taken for one.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bad = {
            "refused": f"http://127.0.0.1:{free.getsockname()[1]}",
            "no folder": f"sqlite:///{tmp_path}/text.db/mlflow.db",
            "no database": f"sqlite:///{tmp_path}/text.db",
            "nonsense": "nonsense://here",
        }[where]
        backend = LocalBackend(tmp_path / "runs", tracking_uri=bad)
        caplog.set_level(logging.WARNING, logger="mnistlib")
        first = backend.submit(JOB)
        assert math.isfinite(first.result().metrics["accuracy"])
        within_a_minute(lambda: [record for record in caplog.records if "MLflow" in record.getMessage()])
        second = backend.submit(JOB)
        second.result()
        assert second.register_model("m").version == 1
    told = [record.getMessage() for record in caplog.records if record.name == "mnistlib"]
    assert len(told) == 1
    assert told[0].startswith(f"cannot use MLflow at {bad}; runs continue without it: ")


def test_without_mlflow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r'needs the "mlflow" extra'):
        LocalBackend(tmp_path, tracking_uri="sqlite:///mlflow.db")


def test_mlflow_is_not_imported_by_a_backend_without_it() -> None:
    code = "import sys, mnistlib; mnistlib.LocalBackend('x'); print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_default_address_is_that_of_mlflow_itself(
    tmp_path: Path, uri: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    LocalBackend(tmp_path / "elsewhere", tracking_uri="").run(JOB)
    run = LocalBackend(tmp_path / "runs").run(JOB)
    experiment = within_a_minute(lambda: client.get_experiment_by_name("default")).experiment_id
    known = within_a_minute(lambda: client.search_runs([experiment], "attributes.status = 'FINISHED'"))
    assert [each.data.tags["mnistlib.run_id"] for each in known] == [run.run_id]


def test_an_existing_mlflow_run_is_logged_from_within(
    tmp_path: Path, uri: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run_id = client.create_run("0").info.run_id
    told = MlflowRun(run_id)
    told.log_metrics([("loss", 0, 2.0), ("loss", 1, 1.0), ("accuracy", 0, 0.5)])
    told.set_tags({"by": "me"})
    assert [(point.step, point.value) for point in client.get_metric_history(run_id, "loss")] == [(0, 2.0), (1, 1.0)]
    assert client.get_run(run_id).data.tags["by"] == "me"
