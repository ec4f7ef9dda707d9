"""Registration of models from local runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from mnistlib import LocalBackend, ModelError, RunStateError, ScriptJob, SweepJob, TrainJob

JOB = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)

SCRIPT = """
import os, joblib
from sklearn.datasets import load_iris
from sklearn.svm import SVC
os.makedirs("outputs", exist_ok=True)
joblib.dump(SVC().fit(*load_iris(return_X_y=True)), "outputs/iris.joblib")
"""


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend(tmp_path / "runs")


def test_any_backend_on_the_same_runs_folder_sees_the_model(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(JOB)
    run.wait()
    version = run.register_model("sklearn_mnist", description="ours", tags={"stage": "trial"})
    assert LocalBackend(tmp_path / "runs").models.get("sklearn_mnist") == version


def test_models_are_not_listed_as_runs(backend: LocalBackend) -> None:
    run = backend.submit(JOB)
    run.wait()
    run.register_model("sklearn_mnist")
    assert [known.id for known in backend.runs()] == [run.id]


def test_a_model_outlives_its_run(backend: LocalBackend, tmp_path: Path) -> None:
    run = backend.submit(JOB)
    run.wait()
    run.register_model("sklearn_mnist")
    run.path.rename(tmp_path / "away")
    assert backend.models.get("sklearn_mnist").load().description is not None


def test_registering_a_sweep_registers_its_best_model(backend: LocalBackend) -> None:
    run = backend.submit(SweepJob(base=replace(JOB, solver="lbfgs"), regularization=[0.5, 500.0]))
    run.wait()
    assert run.best is not None
    assert run.register_model("best").sha256 == run.best.register_model("child").sha256


def test_registering_a_script_registers_the_given_output(backend: LocalBackend, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    run = backend.submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    run.wait()
    with pytest.raises(ModelError, match=r"has no model .*outputs/iris\.joblib.*output="):
        run.register_model("iris")
    version = run.register_model("iris", output="outputs/iris.joblib")
    assert version.load().classifier.predict([[5.1, 3.5, 1.4, 0.2]]).tolist() == [0]
    assert version.origin is None
    assert version.download(tmp_path / "copy").name == "iris.joblib"


def test_a_run_that_has_not_completed_is_not_registered(backend: LocalBackend) -> None:
    failed = backend.submit(TrainJob(dataset="nowhere"))
    failed.wait()
    with pytest.raises(RunStateError, match="is failed: only the model of a completed run"):
        failed.register_model("m")
    assert backend.models.list() == []


@pytest.mark.parametrize("output", ["../../secret", "/etc/passwd", "outputs/absent.pkl", "outputs"])
def test_only_a_file_of_the_run_can_be_its_model(backend: LocalBackend, output: str) -> None:
    run = backend.submit(JOB)
    run.wait()
    with pytest.raises(ModelError, match="has no model"):
        run.register_model("m", output=output)


def test_a_model_that_was_changed_in_its_run_is_not_registered(backend: LocalBackend) -> None:
    run = backend.submit(JOB)
    path = run.result().model_path
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="was changed after it was written"):
        run.register_model("m")
    assert backend.models.list() == []
