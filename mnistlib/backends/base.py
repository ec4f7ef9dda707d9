"""What every backend owes."""

from abc import ABC, abstractmethod

from mnistlib.jobs import TrainJob
from mnistlib.runs import RunResult


class Backend(ABC):
    """A place where jobs run. It knows nothing of training."""

    @abstractmethod
    def run(self, job: TrainJob, *, experiment: str = "default") -> RunResult:
        """Run a job to its end.

        Parameters
        ----------
        job : TrainJob
            What to do.
        experiment : str, default "default"
            The name that runs of one purpose share.

        Returns
        -------
        RunResult
            The run, completed.

        Raises
        ------
        JobFailedError
            If the job failed; its cause is the original error.
        """
