"""Base class of the backends that keep each run in a folder on this machine, readable by any process."""

import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar
from weakref import WeakSet

from mnistlib.backends.base import Backend
from mnistlib.backends.local.run import LocalRun
from mnistlib.backends.plan import Plan
from mnistlib.backends.spec import specs
from mnistlib.jobs import Job
from mnistlib.jobs.job import Work
from mnistlib.jobs.runner import read_job, run_in_folder
from mnistlib.lazy import imported
from mnistlib.models.version import require_model_name
from mnistlib.runs import Run, RunRecord, RunStatus, RunStore
from mnistlib.runs.tracking import MlflowMirror, uri_of_environment

#: The workers of all backends that are still in use.
_WORKERS: "WeakSet[ThreadPoolExecutor]" = WeakSet()


def _wait_for_workers() -> None:
    for workers in list(_WORKERS):
        workers.shutdown()


# At the end of a script its jobs are completed first. An atexit hook would run too late: no new threads can be started
# then. concurrent.futures uses this earlier hook, too.
threading._register_atexit(_wait_for_workers)  # type: ignore[attr-defined] # no public equivalent


def perform_in_folder(folder: str | os.PathLike[str], work: Work | None = None) -> Exception | None:
    """Do the work of a run in this process, submitted by any process, and update its record.

    Parameters
    ----------
    folder : str or PathLike
        Folder of the run.
    work : callable, optional
        The work. Default: that of the job in the folder.

    Returns
    -------
    Exception or None
        The error if the run failed; the record has its message.
    """
    readers = [imported(spec.metric_reader) for spec in specs().values() if spec.metric_reader]
    return run_in_folder(Path(folder), work=work, metric_readers=readers)


class FolderBackend(Backend):
    """Backend with a folder on this machine for each run; a thread does the work, or waits for a process.

    A subclass implements `perform`.

    Parameters
    ----------
    runs_folder : str or PathLike, optional
        As for :class:`~mnistlib.LocalBackend`.
    max_workers : int, default 1
        Number of jobs that run at the same time; the others wait in order of submission.
    tracking_uri : str, optional
        As for :class:`~mnistlib.LocalBackend`.
    """

    #: Place of the work, for plans.
    where: ClassVar[str] = "another process"

    def __init__(
        self,
        runs_folder: str | os.PathLike[str] | None = None,
        *,
        max_workers: int = 1,
        tracking_uri: str | None = None,
    ) -> None:
        super().__init__(runs_folder)
        self._store = RunStore(self.runs_folder)
        if tracking_uri is None:
            tracking_uri = uri_of_environment()
        self._mirror = MlflowMirror(tracking_uri, self._store) if tracking_uri else None
        self._workers = ThreadPoolExecutor(max_workers, thread_name_prefix="mnistlib")
        _WORKERS.add(self._workers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(runs_folder={str(self.runs_folder)!r})"

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

    @abstractmethod
    def perform(self, run: LocalRun, work: Work) -> Exception | None:
        """Do the work of a run; called in a worker thread.

        Parameters
        ----------
        run : LocalRun
            The run; `mnistlib.backends.local.perform_in_folder` of its path does its work in any process.
        work : callable
            The work, for a backend that does it in this process.

        Returns
        -------
        Exception or None
            The error if the run failed in this process; the record has its message.
        """

    def _work(self, run: LocalRun, work: Work, register_as: str | None) -> None:
        # A method, so that the backend, and with it the store's lock, stays alive until the work is done.
        run.work(partial(self.perform, run, work), register_as=register_as)

    def attach(self, run_id: str) -> LocalRun:
        """Return a handle on a run of any process; see :meth:`Backend.attach`."""
        return self._handle(self._store.find(run_id))

    def runs(self) -> list[Run]:
        """Return handles on all runs, the newest first."""
        return [self._handle(self._store.folder_of(record)) for record in self._store.records()]

    def records(self) -> list[RunRecord]:
        """Return the records of all runs, the newest first."""
        return self._store.records()

    def delete(self, run_id: str) -> None:
        """Remove a run that has ended; see :meth:`Backend.delete`."""
        self._store.delete(self._store.find(run_id))

    def plan(self, job: Job) -> Plan:
        """Return the steps that submitting a job would take; see :meth:`Backend.plan`."""
        steps = [f"create a run folder in {self._store.folder}"]
        if trials := job.trials():
            steps.append(f"run {len(trials)} trials, each in its own run folder")
        steps.append(f"run the {job.type} job in {self.where}, and keep its outputs in the run folder")
        return Plan(backend=repr(self), steps=steps)

    def _handle(self, folder: Path, *, own: bool = False) -> LocalRun:
        return LocalRun(self._store, folder, self.models, self._mirror, own=own)

    def _create_trials(self, job: Job, folder: Path, create: Callable[..., Path], *, resume: bool) -> list[Path]:
        """Return the run folders of a job's trials; with `resume`, reuse those of completed trials."""
        trials = job.trials()
        done = self._completed(folder.parent.name, {trial.type for trial in trials if trial.reusable}) if resume else {}
        folders = [
            (done.get(trial) if trial.reusable else None)
            or create(trial.to_json(), job_type=trial.type, parent=folder.name)
            for trial in trials
        ]
        if folders:
            replace(RunRecord.read(folder), children=tuple(each.name for each in folders)).write(folder)
        return folders

    def _completed(self, experiment: str, kinds: Collection[str]) -> dict[Job, Path]:
        """Return the completed jobs of these kinds in an experiment, with their folders."""
        folders = [
            self._store.folder_of(record)
            for record in self._store.records()
            if record.experiment == experiment and record.status is RunStatus.COMPLETED and record.job_type in kinds
        ]
        return {read_job(folder): folder for folder in folders}
