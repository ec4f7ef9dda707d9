"""Jobs, runs, models and services, as a user calls them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from mnistlib import (
    JobFailedError,
    LocalBackend,
    ModelVersion,
    Run,
    RunStatus,
    ScriptJob,
    Service,
    ServiceStatus,
    SweepJob,
    TrainJob,
    current_run,
    get_backend,
    load_model,
    write_report,
)
from mnistlib.backends import Backend
from mnistlib.models.artifact import SavedModel
from mnistlib.runs.result import RunResult


def jobs(folder: Path) -> None:
    job = TrainJob(dataset="digits", regularization=0.5)
    assert_type(job.regularization, float)
    assert_type(job.to_json(), str)
    assert_type(TrainJob.from_json("{}"), TrainJob)
    sweep = SweepJob(base=job, regularization=[0.1, 1.0])
    assert_type(sweep.trials(), list[TrainJob])
    ScriptJob(script="train.py", arguments=["--penalty", 1.5], source_directory=str(folder))


def runs(images: NDArray[np.uint8]) -> None:
    backend = get_backend("local", runs_folder="runs")
    assert_type(backend, Backend)
    run = backend.submit(TrainJob(dataset="digits"), experiment="first", tags={"who": "me"})
    assert_type(run, Run)
    assert_type(backend.attach("ID"), Run)
    assert_type(backend.runs(), list[Run])
    assert_type(run.status, RunStatus)
    assert_type(run.wait(timeout=10), RunStatus)
    assert_type(run.done(), bool)
    assert_type(run.logs(), str)
    assert_type(run.follow_logs(), Iterator[str])
    assert_type(run.download("here"), list[Path])
    assert_type(run.best, Run | None)
    result = run.result(timeout=10)
    assert_type(result, RunResult)
    assert_type(result.metrics, Mapping[str, float])
    assert_type(result.metrics["accuracy"], float)
    assert_type(result.converged, bool | None)
    assert_type(result.model_path, Path)
    assert_type(backend.run(SweepJob(base=TrainJob(dataset="digits"), regularization=[1.0])), RunResult)
    assert_type(write_report(run, "report.html"), Path)


def models(run: Run, images: NDArray[np.uint8]) -> None:
    version = run.register_model("digits", tags={"stage": "trial"})
    assert_type(version, ModelVersion)
    assert_type(version.load(), SavedModel)
    assert_type(load_model("model.pkl").predict(images), NDArray[Any])
    backend = LocalBackend()
    assert_type(backend.models.get("digits"), ModelVersion)
    assert_type(backend.models.list(), Sequence[ModelVersion])
    service = version.deploy("digits", replace=True)
    assert_type(service, Service)
    assert_type(service.status, ServiceStatus)
    assert_type(service.predict(images), NDArray[Any])
    assert_type(backend.services.get("digits"), Service)


def in_a_script() -> None:
    context = current_run()
    context.log_metric("loss", 0.5, step=3)
    assert_type(context.cancelled, bool)
    assert_type(context.output_path("model.bin"), Path)


def failures(run: Run) -> None:
    try:
        run.result()
    except JobFailedError as error:
        assert_type(error.reason, str)


def mistakes(backend: LocalBackend) -> None:
    TrainJob(data_set="digits")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    backend.submit("digits")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    backend.submit(TrainJob(dataset="digits"), tags=["me"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
