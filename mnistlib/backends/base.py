"""Interface of every backend."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from mnistlib.backends.local.services import LocalServices
from mnistlib.backends.plan import Plan
from mnistlib.jobs import Job
from mnistlib.models.interfaces import Models, Services
from mnistlib.models.registry import ModelRegistry
from mnistlib.runs import Run, RunRecord, RunResult, default_runs_folder
from mnistlib.runs.store import MODELS


class Backend(ABC):
    """A place where jobs run. It knows nothing of training.

    Registered models and deployed services are on this machine, in its folder of runs, unless a backend has its own.

    Parameters
    ----------
    runs_folder : str or PathLike, optional
        Folder of the runs on this machine. Default: the environment variable ``MNISTLIB_RUNS``, else ``runs`` below
        the current folder.
    """

    def __init__(self, runs_folder: str | os.PathLike[str] | None = None) -> None:
        # Absolute, since the process may change its current folder while runs run.
        self.runs_folder = (Path(runs_folder).expanduser() if runs_folder else default_runs_folder()).absolute()

    @abstractmethod
    def submit(
        self,
        job: Job,
        *,
        experiment: str = "default",
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        resume: bool = False,
        register_as: str | None = None,
    ) -> Run:
        """Start a job, or queue it, and return at once.

        Parameters
        ----------
        job : TrainJob, SweepJob or ScriptJob
            What to do.
        experiment : str, default "default"
            The name that runs of one purpose share.
        name : str, optional
            What a person calls the run.
        tags : mapping of str to str, optional
            What a person notes about it.
        resume : bool, default False
            Let a sweep take over the trials that an earlier one of the experiment has completed.
        register_as : str, optional
            Register the model under this name when the job has completed, whoever is still there by then.

        Returns
        -------
        Run
            A handle, good from the first moment.

        Raises
        ------
        JobError
            If the experiment's name is not allowed.
        ModelError
            If the model's name is not.
        """

    @abstractmethod
    def attach(self, run_id: str) -> Run:
        """Return a handle on a run that any process submitted, whatever has become of it.

        Raises
        ------
        RunNotFoundError
            If there is no run of that id.
        """

    @abstractmethod
    def runs(self) -> list[Run]:
        """Return handles on all runs, the newest first."""

    @abstractmethod
    def records(self) -> list[RunRecord]:
        """Return what is known of all runs, the newest first."""

    @abstractmethod
    def delete(self, run_id: str) -> None:
        """Remove a run that has ended, and everything in it; of a sweep, its trials with it.

        Raises
        ------
        RunNotFoundError
            If there is no run of that id.
        RunStateError
            If it has not ended, belongs to a sweep that is still there, or the backend keeps all runs.
        """

    @abstractmethod
    def plan(self, job: Job) -> Plan:
        """Return what submitting a job would do. Nothing is sent and nobody is asked."""

    @cached_property
    def models(self) -> Models:
        """The registered models; unless a backend has its own registry, those in ``.models`` of the runs folder."""
        return ModelRegistry(self.runs_folder / MODELS, self.services)

    @cached_property
    def services(self) -> Services:
        """The deployed services; unless a backend has its own, each is a process of this machine."""
        return LocalServices(self.runs_folder)

    def run(
        self,
        job: Job,
        *,
        experiment: str = "default",
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        resume: bool = False,
        register_as: str | None = None,
    ) -> RunResult:
        """Run a job to its end: submit, wait, result.

        Ctrl-C while waiting cancels the run.

        Raises
        ------
        JobFailedError
            If the job failed; its cause is the original error.
        """
        run = self.submit(job, experiment=experiment, name=name, tags=tags, resume=resume, register_as=register_as)
        try:
            return run.result()
        except KeyboardInterrupt:
            run.cancel()
            raise
