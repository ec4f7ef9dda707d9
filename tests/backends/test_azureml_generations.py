"""Both backends for Azure Machine Learning over one workspace: each continues the work of the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnistlib import JobFailedError, ModelNotFoundError, RunStatus, ScriptJob, SweepJob, TrainJob
from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import SDKS, strangers, workspace

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 120
TRAIN = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)
SWEEP = SweepJob(base=TRAIN, regularization=[0.1, 1.0])
QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.1)

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = [pytest.mark.needs(*SDKS.values()), pytest.mark.filterwarnings("ignore")]

#: The first and the second backend.
PAIRS = [("azureml", "azureml-v2"), ("azureml-v2", "azureml")]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator["AzureMLEmulator"]:
    with workspace(tmp_path_factory.mktemp("generations"), tmp_path_factory.getbasetemp()) as emulator:
        yield emulator
        assert strangers(emulator) == []  # no request left this machine


@pytest.fixture(scope="module")
def backends(emulator: "AzureMLEmulator", tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: get_backend(name, config=emulator.config_path, runs_folder=folder / name, retries=QUICK)
        for name in ("azureml", "azureml-v2")
    }


@pytest.fixture(scope="module")
def trained(backends: dict[str, Any]) -> dict[str, Any]:
    """A completed run of each backend."""
    runs = {name: backend.submit(TRAIN, experiment=name, tags={"by": name}) for name, backend in backends.items()}
    assert {run.wait(LIMIT) for run in runs.values()} == {RunStatus.COMPLETED}
    return runs


@pytest.fixture(params=PAIRS, ids="then".join)
def pair(request: pytest.FixtureRequest, backends: dict[str, Any]) -> tuple[Any, Any]:
    first, second = request.param
    return backends[first], backends[second]


@pytest.fixture
def done(pair: tuple[Any, Any], backends: dict[str, Any], trained: dict[str, Any]) -> Any:
    """The completed run of the first backend of the pair."""
    return next(trained[name] for name, backend in backends.items() if backend is pair[0])


def test_a_run_is_the_same_on_the_other_backend(pair: tuple[Any, Any], done: Any) -> None:
    seen = pair[1].attach(done.id)
    assert seen.wait(LIMIT) is RunStatus.COMPLETED
    assert seen.record == done.record
    assert seen.metrics() == done.metrics()
    assert seen.files() == done.files()
    assert seen.logs() == done.logs()
    result, expected = seen.result(LIMIT), done.result(LIMIT)
    assert result.metrics == expected.metrics
    assert result.model_path.read_bytes() == expected.model_path.read_bytes()


def test_each_backend_lists_the_runs_of_both(backends: dict[str, Any], trained: dict[str, Any]) -> None:
    ids = {run.id for run in trained.values()}
    first, second = ([record for record in b.records() if record.run_id in ids] for b in backends.values())
    assert {record.run_id for record in first} == ids
    assert first == second
    assert [[run.id for run in b.runs() if run.id in ids] for b in backends.values()] == [
        [record.run_id for record in first]
    ] * 2


def test_a_sweep_is_the_same_on_the_other_backend(pair: tuple[Any, Any]) -> None:
    sweep = pair[0].submit(SWEEP)
    seen = pair[1].attach(sweep.id)
    assert seen.wait(LIMIT) is RunStatus.COMPLETED
    sweep.wait(LIMIT)
    assert [child.id for child in seen.children()] == [child.id for child in sweep.children()]
    assert len(seen.children()) == 2
    assert seen.best.id == sweep.best.id
    assert seen.result(LIMIT).metrics == sweep.result(LIMIT).metrics


def test_a_sweep_reuses_trials_of_the_other_backend(pair: tuple[Any, Any]) -> None:
    experiment = f"resumed-{pair[0].compute.spec.name}-{type(pair[0]).__name__}"
    done = pair[0].submit(SweepJob(base=TRAIN, regularization=[0.1]), experiment=experiment)
    assert done.wait(LIMIT) is RunStatus.COMPLETED, done.record.error
    sweep = pair[1].submit(SWEEP, experiment=experiment, resume=True)
    assert sweep.wait(LIMIT) is RunStatus.COMPLETED
    assert sweep.children()[0].id == done.children()[0].id


def test_a_failure_has_the_same_error_on_the_other_backend(pair: tuple[Any, Any], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("raise ValueError('no such luck')\n")
    run = pair[0].submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    with pytest.raises(JobFailedError) as caught:
        run.result(LIMIT)
    with pytest.raises(JobFailedError) as seen:
        pair[1].attach(run.id).result(LIMIT)
    assert str(seen.value) == str(caught.value)


def test_a_run_is_cancelled_by_the_other_backend(pair: tuple[Any, Any], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time\ntime.sleep(600)\n")
    run = pair[0].submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    pair[1].attach(run.id).cancel()
    assert run.wait(LIMIT) is RunStatus.CANCELLED


def test_a_model_of_one_backend_is_listed_by_the_other(pair: tuple[Any, Any], done: Any) -> None:
    name = f"registered-{done.experiment}"
    # Registered through the second backend's handle, so that both backends read a model of the other.
    registered = pair[1].attach(done.id).register_model(name, description="both", tags={"by": "me"})
    assert done.register_model(name).version == 2
    for backend in pair:
        assert [version.version for version in backend.models.list(name)] == [2, 1]
        first = backend.models.get(name, 1)
        assert (first.sha256, first.run_id, first.metrics) == (registered.sha256, done.id, registered.metrics)
        assert (first.description, first.tags) == ("both", {"by": "me"})
        assert first.load().predict(np.zeros((1, 8, 8), np.uint8)).shape == (1,)


def test_a_model_registered_by_one_backend_is_deployed_by_the_other(pair: tuple[Any, Any], done: Any) -> None:
    name = f"deployed-{done.experiment}"
    done.register_model(name)
    service = pair[1].models.get(name).deploy(name)
    assert service.model == f"{name}:1"
    images = np.zeros((1, 8, 8), np.uint8)
    assert np.array_equal(service.predict(images), pair[0].models.get(name).load().predict(images))


def test_a_model_deleted_by_one_backend_is_missing_on_the_other(pair: tuple[Any, Any], done: Any) -> None:
    name = f"deleted-{done.experiment}"
    done.register_model(name)
    done.register_model(name)
    pair[1].models.delete(name, 2)
    for backend in pair:
        assert [version.version for version in backend.models.list(name)] == [1]
        assert backend.models.get(name).version == 1
        with pytest.raises(ModelNotFoundError):
            backend.models.get(name, 2)
    assert done.register_model(name).version == 3
