"""Run jobs in this process."""

import os
import re
import shutil
from pathlib import Path

from mnistlib.backends.base import Backend
from mnistlib.errors import JobError, JobFailedError, MnistlibError
from mnistlib.files import publish_bytes
from mnistlib.jobs import TrainJob, execute
from mnistlib.runs import JOB_FILE, RunContext, RunResult, RunStatus, default_runs_folder, new_run_id

_EXPERIMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


class LocalBackend(Backend):
    """Runs jobs in this process and keeps each in a folder of its own.

    Parameters
    ----------
    runs_folder : str or PathLike, optional
        Where run folders go. Default: the environment variable ``MNISTLIB_RUNS``, else ``runs`` below the current
        folder.

    Examples
    --------
    >>> import mnistlib, tempfile
    >>> backend = mnistlib.LocalBackend(tempfile.mkdtemp())
    >>> result = backend.run(mnistlib.TrainJob(dataset="digits", regularization=0.5))
    >>> result.converged, result.metrics["accuracy"] > 0.9
    (True, True)
    """

    def __init__(self, runs_folder: str | os.PathLike[str] | None = None) -> None:
        self._runs_folder = default_runs_folder() if runs_folder is None else Path(runs_folder).expanduser()

    def __repr__(self) -> str:
        return f"LocalBackend(runs_folder={str(self._runs_folder)!r})"

    def run(self, job: TrainJob, *, experiment: str = "default") -> RunResult:
        """Run a job in this process, to its end; see :meth:`Backend.run`.

        The run's folder appears when the job has completed. A job that fails or is interrupted leaves none.

        Raises
        ------
        JobFailedError
            If the job failed; its cause is the original error.
        JobError
            If the experiment's name is not allowed.
        """
        if not _EXPERIMENT_NAME.fullmatch(experiment):
            raise JobError(
                f"an experiment's name must be up to 255 letters, digits, - and _, "
                f"beginning with a letter or digit, not {experiment!r}"
            )
        run_id = new_run_id()
        folder = self._runs_folder / experiment / run_id
        unfinished = folder.with_name(f".{run_id}.part")
        unfinished.mkdir(parents=True)
        try:
            publish_bytes(unfinished / JOB_FILE, job.to_json().encode())
            context = RunContext(unfinished)
            model = execute(job, context)
            unfinished.replace(folder)
        except Exception as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            # An error that was foreseen says what to do; of any other the kind matters too.
            reason = error if isinstance(error, MnistlibError) else f"{type(error).__name__}: {error}"
            raise JobFailedError(f"the job failed: {reason}") from error
        except BaseException:  # Ctrl-C
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return RunResult(run_id, experiment, RunStatus.COMPLETED, folder, context.metrics, model.converged)
