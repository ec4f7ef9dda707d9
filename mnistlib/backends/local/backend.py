"""Backend in this process."""

from typing import ClassVar

from mnistlib.backends.local.folders import FolderBackend, perform_in_folder
from mnistlib.backends.local.run import LocalRun
from mnistlib.jobs.job import Work

__all__ = ["LocalBackend", "LocalRun"]


class LocalBackend(FolderBackend):
    """Backend in this process, with a folder for each run.

    Parameters
    ----------
    runs_folder : str or PathLike, optional
        Parent of the run folders. Default: the environment variable ``MNISTLIB_RUNS``, else ``runs`` below the
        current folder.
    max_workers : int, default 1
        Number of jobs that run at the same time; the others wait in order of submission. Each job already uses all
        processors, so that more than one is rarely faster.
    tracking_uri : str, optional
        Address of MLflow, where runs, parameters, metrics, files and registered models are logged too, such as
        ``sqlite:///mlflow.db`` (for ``mlflow ui --backend-store-uri sqlite:///mlflow.db``). If MLflow can't be
        reached, one warning is logged and the runs go on. Default: the environment variable ``MLFLOW_TRACKING_URI``,
        if MLflow is installed; "" disables MLflow.

    Raises
    ------
    MissingExtraError
        If `tracking_uri` is given and MLflow is not installed.

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
