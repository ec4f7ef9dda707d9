"""What every backend owes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from mnistlib.backends.plan import Plan
from mnistlib.jobs import Job
from mnistlib.models.interfaces import Models, Services
from mnistlib.runs import Run, RunRecord, RunResult


class Backend(ABC):
    """A place where jobs run. It knows nothing of training."""

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

    @property
    @abstractmethod
    def models(self) -> Models:
        """The registered models."""

    @property
    @abstractmethod
    def services(self) -> Services:
        """The deployed services."""

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
