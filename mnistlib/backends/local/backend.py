"""Run jobs in this process, on worker threads; keep each in a folder that any process can read."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from weakref import WeakSet

from mnistlib.backends.base import Backend
from mnistlib.backends.local.services import LocalServices
from mnistlib.backends.plan import Plan
from mnistlib.errors import JobFailedError, MnistlibError, ModelError, RunStateError
from mnistlib.files import publish
from mnistlib.jobs import Job, TrainJob
from mnistlib.jobs.job import Work
from mnistlib.jobs.runner import begin, conclude, read_job, reason_of
from mnistlib.models.artifact import read_verified
from mnistlib.models.registry import ModelRegistry
from mnistlib.models.version import ModelVersion, require_model_name
from mnistlib.runs import Metrics, Run, RunContext, RunRecord, RunResult, RunStatus, RunStore, read_metrics
from mnistlib.runs.context import CANCEL_FILE, LOG_FILE
from mnistlib.runs.handle import MODEL_OUTPUT
from mnistlib.runs.store import MODELS
from mnistlib.runs.tracking import MlflowMirror, uri_of_environment

#: The workers of all backends that are still in use.
_WORKERS: "WeakSet[ThreadPoolExecutor]" = WeakSet()


def _wait_for_workers() -> None:
    for workers in list(_WORKERS):
        workers.shutdown()


# A script may submit and end: its jobs are waited for. At the usual time, after the main thread, they could start
# no threads of their own any more; this hook, which concurrent.futures uses too, comes before that.
threading._register_atexit(_wait_for_workers)  # type: ignore[attr-defined] # there is no public one


class LocalRun(Run):
    """A run in a folder of this machine, of this process or another.

    Parameters
    ----------
    store : RunStore
        Where the run is kept.
    folder : Path
        The run's folder.
    registry : ModelRegistry
        Where its model can be registered.
    mirror : MlflowMirror or None
        Who else is told of that.
    own : bool, default False
        Whether a worker of this process will do the run's work through this handle.
    """

    def __init__(
        self, store: RunStore, folder: Path, registry: ModelRegistry, mirror: MlflowMirror | None, *, own: bool = False
    ) -> None:
        super().__init__(folder.name, folder.parent.name)
        self.path = folder
        self._store = store
        self._registry = registry
        self._mirror = mirror
        self._own = own
        self._worked = threading.Event()
        self._cause: Exception | None = None

    @property
    def record(self) -> RunRecord:
        """What is known of the run."""
        return self._store.read(self.path)

    @property
    def status(self) -> RunStatus:
        """What has become of the run."""
        worked = self._worked.is_set()  # asked first: the record is written before
        try:
            status = self.record.status
        except (OSError, RunStateError):
            if not self._own:
                raise
            # Somebody has spoilt the record of a run of ours; the worker still knows.
            return RunStatus.FAILED if worked else RunStatus.RUNNING
        # A worker that is done with a run that its record says has not ended could not write that record.
        return RunStatus.FAILED if worked and not status.ended else status

    @property
    def name(self) -> str | None:
        """What a person calls the run."""
        return self.record.name

    def cancel(self) -> None:
        """Ask the run to stop within one pass over the data; see :meth:`Run.cancel`."""
        if not self.done():
            for child in self.children():
                child.cancel()
            (self.path / CANCEL_FILE).touch()

    def metrics(self) -> Metrics:
        """Return all metric values logged so far."""
        return read_metrics(self.path)

    def files(self) -> list[str]:
        """Return the names of the run's files."""
        return sorted(
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.is_file() and not path.name.endswith(".part")
        )

    def logs(self) -> str:
        """Return what the run has said so far."""
        try:
            return (self.path / LOG_FILE).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Copy files of the run into a folder; see :meth:`Run.download`."""
        known = self.files()
        copies = []
        for name in known if names is None else names:
            if name not in known:
                raise FileNotFoundError(f"run {self.id} has no file {name!r}; it has {', '.join(known)}")
            copy = Path(target, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with (self.path / name).open("rb") as source, publish(copy) as file:
                shutil.copyfileobj(source, file)
            copies.append(copy)
        return copies

    def register_model(
        self,
        name: str,
        *,
        output: str = MODEL_OUTPUT,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Register the run's model; see :meth:`Run.register_model`."""
        record = self.record
        if record.status is not RunStatus.COMPLETED:
            raise RunStateError(f"run {self.id} is {record.status}: only a run that has completed has a model to keep")
        if output not in self.files():
            raise ModelError(
                f"run {self.id} has no model {output!r}; it has {', '.join(self.files())}. Where one of them is a "
                "model, name it with output= (--output)"
            )
        content, origin = read_verified(self.path / output)
        version = self._registry.register(
            name,
            content,
            file=Path(output).name,
            run_id=self.id,
            origin=origin,
            metrics=record.metrics,
            description=description,
            tags=tags,
        )
        if self._mirror:
            self._mirror.register(version, self.path)
        return version

    def local_folder(self) -> Path:
        """Return the run's folder."""
        return self.path

    def children(self) -> list[Run]:
        """Return the runs of a sweep; see :meth:`Run.children`."""
        return [
            LocalRun(self._store, self.path.with_name(child), self._registry, self._mirror)
            for child in self.record.children
        ]

    def work(self, work: Work, *, register_as: str | None = None) -> None:
        """Do the run's work in the calling thread, unless it was cancelled in the queue."""
        try:
            context = begin(self.path)
            if context is not None:
                context.runs_folder = self._store.folder
                self._cause = conclude(context, work)
                if register_as is not None and self.record.status is RunStatus.COMPLETED:
                    self._register_at_the_end(register_as, context)
        except Exception as error:  # the record itself can't be written: a full disk, a folder that has gone
            self._cause = error
        finally:
            self._worked.set()

    def _register_at_the_end(self, name: str, context: RunContext) -> None:
        try:
            context.log(f"registered as {self.register_model(name).id}")
        except MnistlibError as error:  # such as a script that has left no model; the run itself has completed
            context.log(f"NOT registered as {name}: {error}")

    def _ended(self) -> RunResult | JobFailedError:
        if self._own:
            self._worked.wait()  # the record tells of the end a moment before the worker tells of the cause
        if self._cause is not None:
            return self.failure(reason_of(self._cause), self._cause)
        record = self.record
        if record.status is not RunStatus.COMPLETED:
            return self.failure(record.error)
        return RunResult(self.id, self.experiment, record.status, self.path, dict(record.metrics), record.converged)

    def _pause(self, seconds: float) -> None:
        self._worked.wait(seconds)


class LocalBackend(Backend):
    """Runs jobs in this process and keeps each in a folder of its own.

    Parameters
    ----------
    runs_folder : str or PathLike, optional
        Where run folders go. Default: the environment variable ``MNISTLIB_RUNS``, else ``runs`` below the current
        folder.
    max_workers : int, default 1
        How many jobs run at a time; the others wait in the order in which they were submitted. Each job already uses
        all processors, so more than one seldom pays.
    tracking_uri : str, optional
        Also write runs, their parameters, metrics, files and registered models to MLflow as they come, such as to
        ``sqlite:///mlflow.db``, which ``mlflow ui --backend-store-uri sqlite:///mlflow.db`` shows. An MLflow that
        can't be reached costs one warning, never a run. Default: the environment variable ``MLFLOW_TRACKING_URI``,
        where MLflow is installed; "" is nowhere.

    Raises
    ------
    MissingExtraError
        If there is a `tracking_uri` and MLflow is not installed.

    Examples
    --------
    >>> import mnistlib, tempfile
    >>> backend = mnistlib.LocalBackend(tempfile.mkdtemp())
    >>> run = backend.submit(mnistlib.TrainJob(dataset="digits", regularization=0.5))
    >>> result = run.result()
    >>> result.status, result.converged, result.metrics["accuracy"] > 0.9
    (<RunStatus.COMPLETED: 'completed'>, True, True)
    """

    def __init__(
        self,
        runs_folder: str | os.PathLike[str] | None = None,
        *,
        max_workers: int = 1,
        tracking_uri: str | None = None,
    ) -> None:
        self._store = RunStore(None if runs_folder is None else Path(runs_folder).expanduser())
        if tracking_uri is None:
            tracking_uri = uri_of_environment()
        self._mirror = MlflowMirror(tracking_uri, self._store) if tracking_uri else None
        self._services = LocalServices(self._store.folder)
        self._models = ModelRegistry(self._store.folder / MODELS, self._services)
        self._workers = ThreadPoolExecutor(max_workers, thread_name_prefix="mnistlib")
        _WORKERS.add(self._workers)

    def __repr__(self) -> str:
        return f"LocalBackend(runs_folder={str(self._store.folder)!r})"

    def submit(
        self,
        job: Job,
        *,
        experiment: str = "default",
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        resume: bool = False,
        register_as: str | None = None,
    ) -> LocalRun:
        """Queue a job for a worker thread; see :meth:`Backend.submit`."""
        if register_as is not None:
            require_model_name(register_as)
        create = partial(self._store.create, experiment=experiment, tags=tags)
        folder = create(job.to_json(), job_type=job.type, name=name)
        trials = self._create_trials(job, folder, create, resume=resume)
        if self._mirror:
            for each in [folder, *(trial for trial in trials if RunRecord.read(trial).parent == folder.name)]:
                self._mirror.follow(each)
        run = self._handle(folder, own=True)
        self._workers.submit(self._work, run, job.work(trials), register_as)
        return run

    def _work(self, run: LocalRun, work: Work, register_as: str | None) -> None:
        """Do a run's work; as a method of the backend it keeps the backend, and so its lock, until it is done."""
        run.work(work, register_as=register_as)

    def attach(self, run_id: str) -> LocalRun:
        """Return a handle on a run of any process; see :meth:`Backend.attach`."""
        return self._handle(self._store.find(run_id))

    def runs(self) -> list[Run]:
        """Return handles on all runs, the newest first."""
        return [self._handle(self._store.folder_of(record)) for record in self._store.records()]

    def records(self) -> list[RunRecord]:
        """Return what is known of all runs, the newest first."""
        return self._store.records()

    def delete(self, run_id: str) -> None:
        """Remove a run that has ended; see :meth:`Backend.delete`."""
        self._store.delete(self._store.find(run_id))

    def plan(self, job: Job) -> Plan:
        """Return what submitting a job would do; see :meth:`Backend.plan`."""
        steps = [f"make a folder for the run in {self._store.folder}"]
        if trials := job.trials():
            steps.append(f"run {len(trials)} trials, each with a folder beside it")
        steps.append(f"run the {job.type} job in this process, and keep what it makes in the folder")
        return Plan(backend=repr(self), steps=steps)

    @property
    def models(self) -> ModelRegistry:
        """The registered models, in ``.models`` of the runs folder."""
        return self._models

    @property
    def services(self) -> LocalServices:
        """The deployed services, each a process of this machine, in ``.services`` of the runs folder."""
        return self._services

    def _handle(self, folder: Path, *, own: bool = False) -> LocalRun:
        return LocalRun(self._store, folder, self._models, self._mirror, own=own)

    def _create_trials(self, job: Job, folder: Path, create: Callable[..., Path], *, resume: bool) -> list[Path]:
        """Return the run folders of a job's trials, some of which may have completed before."""
        done = self._completed(folder.parent.name) if resume else {}
        folders = [
            done.get(trial) or create(trial.to_json(), job_type=trial.type, parent=folder.name)
            for trial in job.trials()
        ]
        if folders:
            replace(RunRecord.read(folder), children=tuple(each.name for each in folders)).write(folder)
        return folders

    def _completed(self, experiment: str) -> dict[Job, Path]:
        """Return the training jobs that have completed in an experiment, with their folders."""
        folders = [
            self._store.folder_of(record)
            for record in self._store.records()
            if record.experiment == experiment
            and record.status is RunStatus.COMPLETED
            and record.job_type == TrainJob.type
        ]
        return {read_job(folder): folder for folder in folders}
