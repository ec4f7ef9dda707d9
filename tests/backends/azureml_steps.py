"""Steps of a backend for Azure Machine Learning, for tests with faults.

A step does its work and asserts the result, which must hold in spite of faults.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

import mnistlib
from mnistlib import AmlComputeSpec, RunStatus, ScriptJob, ServiceStatus, SweepJob, TrainJob
from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.models.service import Service
from mnistlib.models.version import ModelVersion
from mnistlib.runs import Run
from tests.testing.azureml.steps import wait_until

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

TRAIN = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)
LIMIT = 120
#: A model of the workspace, registered before the faults begin.
KEPT = "kept"


@dataclass(frozen=True)
class Scene:
    """Workspace and settings of a step.

    Attributes
    ----------
    name : str
        Name of the backend.
    emulator : AzureMLEmulator
        A workspace with a cluster whose nodes never start, so that submitted runs stay in the queue.
    client : dict of str to object
        The SDK's client, as an argument of the backend's class.
    done : str
        Id of a completed run.
    folder : Path
        An empty folder.
    retries : RetryPolicy
        Retries of the backends.
    """

    name: str
    emulator: "AzureMLEmulator"
    client: dict[str, Any]
    done: str
    folder: Path
    retries: RetryPolicy

    def backend(self, **options: Any) -> Any:
        """Return a new backend of the workspace."""
        return get_backend(
            self.name, **({**self.client, **options}), runs_folder=self.folder / "runs", retries=self.retries
        )

    def signed_in(self) -> None:
        """Open the workspace from its config.json in a new backend, and sign in."""
        backend = get_backend(
            self.name, config=self.emulator.config_path, runs_folder=self.folder / "runs", retries=self.retries
        )
        assert backend.attach(self.done).id == self.done

    def done_run(self) -> Run:
        run: Run = self.backend().attach(self.done)
        return run


#: A step prepares, yields, does its work, and checks it: faults begin at the yield.
Step = Callable[[Scene], Iterator[None]]


def sign_in(scene: Scene) -> Iterator[None]:
    yield
    scene.signed_in()


def connect(scene: Scene) -> Iterator[None]:
    yield
    scene.signed_in()


def find_cluster(scene: Scene) -> Iterator[None]:
    compute = scene.backend().compute
    yield
    status = compute.status()
    assert status is not None
    assert status["state"] == "Succeeded"


def make_cluster(scene: Scene) -> Iterator[None]:
    compute = scene.backend(compute=AmlComputeSpec(name=f"c{uuid4().hex[:8]}")).compute
    yield
    compute.ensure()
    status = compute.status()
    assert status is not None
    assert status["state"] == "Succeeded"


def delete_cluster(scene: Scene) -> Iterator[None]:
    compute = scene.backend(compute=AmlComputeSpec(name=f"c{uuid4().hex[:8]}")).compute
    compute.ensure()
    yield
    compute.delete()
    assert compute.status() is None


def submit(scene: Scene) -> Iterator[None]:
    backend, experiment = scene.backend(), f"e-{uuid4().hex[:8]}"
    job = ScriptJob(script="train.py", source_directory=str(source(scene.folder)))
    yield
    run = backend.submit(job, experiment=experiment, name="mine", tags={"by": "me"})
    known = [each for each in scene.backend().records() if each.experiment == experiment]
    assert [(each.run_id, each.name, each.tags, each.job_type) for each in known] == [
        (run.id, "mine", {"by": "me"}, "script")
    ]


def submit_sweep(scene: Scene) -> Iterator[None]:
    backend, experiment = scene.backend(), f"e-{uuid4().hex[:8]}"
    sweep = SweepJob(base=TRAIN, regularization=[0.5])
    backend.submit(TRAIN).cancel()  # sends the source
    yield
    run = backend.submit(sweep, experiment=experiment)
    wait_until(lambda: len(run.children()) == 1)
    known = {each.run_id: each for each in scene.backend().records() if each.experiment == experiment}
    assert set(known) == {run.id, *(child.id for child in run.children())}
    assert known[run.id].status is RunStatus.RUNNING


def send_data(scene: Scene) -> Iterator[None]:
    backend, folder = scene.backend(), scene.folder / "data"
    folder.mkdir()
    images = np.frombuffer(uuid4().bytes * 4, np.uint8).reshape(4, 4, 4)
    for which in ("train", "test"):
        mnistlib.write_idx(folder / f"{which}-images", images)
        mnistlib.write_idx(folder / f"{which}-labels", np.array([0, 1, 0, 1], np.uint8))
    yield
    backend.submit(TrainJob(dataset=str(folder))).cancel()
    kept = [path.read_bytes() for path in (scene.emulator.folder / "blobs").rglob("t*-*") if path.is_file()]
    assert all(path.read_bytes() in kept for path in folder.iterdir())


def register_environment(scene: Scene) -> Iterator[None]:
    conda = scene.folder / "conda.yml"
    conda.write_text(f"# {uuid4()}\ndependencies:\n- python=3.11\n- pip\n- pip:\n  - {uuid4().hex}\n")
    yield
    scene.backend(environment=conda).submit(TRAIN).cancel()
    # A second submission finds it.
    scene.emulator.faults.add("error", match="PUT .*/environments/", status=403)
    scene.backend(environment=conda).submit(TRAIN).cancel()
    scene.emulator.faults.clear()


def wait(scene: Scene) -> Iterator[None]:
    backend = scene.backend()
    yield
    assert backend.attach(scene.done).wait(LIMIT) is RunStatus.COMPLETED


def look_at_metrics(scene: Scene) -> Iterator[None]:
    run = scene.done_run()
    yield
    assert run.metrics().latest["accuracy"] > 0.9


def look_at_logs(scene: Scene) -> Iterator[None]:
    run = scene.done_run()
    yield
    assert "accuracy" in run.logs()


def bring_result(scene: Scene) -> Iterator[None]:
    run = scene.done_run()
    yield
    assert mnistlib.load_model(run.result(LIMIT).model_path).predict(np.zeros((1, 8, 8), np.uint8)).shape == (1,)


def cancel(scene: Scene) -> Iterator[None]:
    run = scene.backend().submit(TRAIN)
    yield
    run.cancel()
    assert scene.backend().attach(run.id).wait(LIMIT) is RunStatus.CANCELLED


def list_runs(scene: Scene) -> Iterator[None]:
    backend = scene.backend()
    yield
    assert scene.done in [run.id for run in backend.runs()]


def register_model(scene: Scene) -> Iterator[None]:
    run, name = scene.done_run(), f"m-{uuid4().hex[:8]}"
    yield
    run.register_model(name, tags={"by": "me"})
    (version,) = scene.backend().models.list(name)
    assert (version.version, version.run_id, version.tags) == (1, run.id, {"by": "me"})


def list_models(scene: Scene) -> Iterator[None]:
    models = scene.backend().models
    yield
    assert [version.version for version in models.list(KEPT)] == [1]


def load_model(scene: Scene) -> Iterator[None]:
    models = scene.backend().models
    yield
    assert models.get(KEPT).load().predict(np.zeros((1, 8, 8), np.uint8)).shape == (1,)


def delete_model(scene: Scene) -> Iterator[None]:
    models, name = scene.backend().models, f"m-{uuid4().hex[:8]}"
    scene.done_run().register_model(name)
    yield
    models.delete(name, 1)
    assert scene.backend().models.list(name) == []


def deploy(scene: Scene) -> Iterator[None]:
    backend, name = scene.backend(), f"s-{uuid4().hex[:8]}"
    model = backend.models.get(KEPT)
    yield
    service = model.deploy(name)
    assert service.predict(np.zeros((1, 8, 8), np.uint8)).shape == (1,)
    known = scene.backend().services.get(name)
    assert (known.model, known.status) == (f"{KEPT}:1", ServiceStatus.RUNNING)
    known.delete()


def look_at_service(scene: Scene) -> Iterator[None]:
    services, service = scene.backend().services, deployed(scene)
    yield
    assert service.name in [known.name for known in services.list()]
    assert service.status is ServiceStatus.RUNNING
    assert service.key
    assert f"{KEPT}:1" in service.logs()
    service.delete()


def delete_service(scene: Scene) -> Iterator[None]:
    service = deployed(scene)
    yield
    service.delete()
    assert service.name not in [known.name for known in scene.backend().services.list()]


def deployed(scene: Scene) -> Service:
    """Return a running service."""
    model: ModelVersion = scene.backend().models.get(KEPT)
    return model.deploy(f"s-{uuid4().hex[:8]}")


def source(folder: Path) -> Path:
    """Return a folder with a script that has not been sent yet."""
    created = folder / "source"
    created.mkdir()
    (created / "train.py").write_text(f"print({uuid4().hex!r})\n")
    return created
