"""Backend in this process."""

from typing import ClassVar

from mnistlib.backends.local.folders import FolderBackend, perform_in_folder
from mnistlib.backends.local.run import LocalRun
from mnistlib.jobs.job import Work

__all__ = ["LocalBackend", "LocalRun"]


class LocalBackend(FolderBackend):
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

    where: ClassVar[str] = "this process"

    def perform(self, run: LocalRun, work: Work) -> Exception | None:
        """Do the work of a run in the calling thread; see :meth:`FolderBackend.perform`."""
        return perform_in_folder(run.path, work)
