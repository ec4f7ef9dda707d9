"""Backend interface."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from mnistlib.backends.local.services import LocalServices
from mnistlib.backends.plan import Plan
from mnistlib.jobs import Job
from mnistlib.models.interfaces import Models, Services
from mnistlib.models.registry import ModelRegistry
from mnistlib.runs import Run, RunRecord, RunResult, default_runs_folder
from mnistlib.runs.store import MODELS


class Backend(ABC):
    """A place where jobs run; independent of training.

    Models and services are kept on this machine, in the runs folder, unless the backend has its own.

    Parameters
    ----------
    runs_folder : str or PathLike, optional
        Folder of the runs on this machine. Default: the environment variable ``MNISTLIB_RUNS``, else ``runs`` below
        the current folder.
    """

    def __init__(self, runs_folder: str | os.PathLike[str] | None = None) -> None:
        # Absolute, since the process may change its current folder during a run.
        folder = Path(runs_folder).expanduser() if runs_folder else default_runs_folder()
        self.runs_folder: Path = folder.absolute()

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
        job : Job
            The job.
        experiment : str, default "default"
            Name of a group of related runs.
        name : str, optional
            Display name of the run.
        tags : mapping of str to str, optional
            The user's notes about the run.
        resume : bool, default False
            Reuse the trials that earlier sweeps of the experiment have completed.
        register_as : str, optional
            Name under which the model is registered when the job has completed, even if this process has ended.

        Returns
        -------
        Run
            A handle, usable at once.

        Raises
        ------
        JobError
            If the experiment's name is not allowed.
        ModelError
            If the model's name is not allowed.
        """

    @abstractmethod
    def attach(self, run_id: str) -> Run:
        """Return a handle on a run in any state, submitted by any process.

        Raises
        ------
        RunNotFoundError
            If no run has that id.
        """

    @abstractmethod
    def runs(self) -> list[Run]:
        """Return handles on all runs, the newest first."""

    @abstractmethod
    def records(self) -> list[RunRecord]:
        """Return the records of all runs, the newest first."""

    @abstractmethod
    def delete(self, run_id: str) -> None:
        """Remove a run that has ended, with all its files; a sweep is removed with its trials.

        Raises
        ------
        RunNotFoundError
            If no run has that id.
        RunStateError
            If the run has not ended or belongs to a sweep that still exists, or if the backend keeps all runs.
        """

    @abstractmethod
    def plan(self, job: Job) -> Plan:
        """Return the steps that submitting a job would take; nothing is sent or requested."""

    @cached_property
    def models(self) -> Models:
        """The registered models: by default those in ``.models`` of the runs folder."""
        return ModelRegistry(self.runs_folder / MODELS, self.services)

    @cached_property
    def services(self) -> Services:
        """The deployed services: by default processes on this machine."""
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
        **options: Any,
    ) -> RunResult:
        """Submit a job, wait for its end and return the result.

        Ctrl-C while waiting cancels the run. `options` are those of the backend's own `submit`.

        Raises
        ------
        JobFailedError
            If the job failed; ``__cause__`` is the original error.
        """
        run = self.submit(
            job, experiment=experiment, name=name, tags=tags, resume=resume, register_as=register_as, **options
        )
        try:
            return run.result()
        except KeyboardInterrupt:
            run.cancel()
            raise
