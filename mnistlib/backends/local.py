"""Run jobs in this process, on worker threads; keep each in a folder that any process can read."""

import os
import shutil
import threading
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mnistlib.backends.base import Backend
from mnistlib.errors import JobFailedError, MnistlibError
from mnistlib.files import publish
from mnistlib.jobs import Job, Outcome, execute
from mnistlib.runs import Metrics, Run, RunContext, RunRecord, RunResult, RunStatus, RunStore, read_metrics
from mnistlib.runs.context import CANCEL_FILE, LOG_FILE
from mnistlib.runs.record import now


class LocalRun(Run):
    """A run in a folder of this machine, of this process or another.

    Parameters
    ----------
    store : RunStore
        Where the run is kept.
    folder : Path
        The run's folder.
    """

    def __init__(self, store: RunStore, folder: Path) -> None:
        super().__init__(folder.name, folder.parent.name)
        self.path = folder
        self._store = store
        self._told = threading.Event()  # set when a worker of this process has ended the run
        self._cause: BaseException | None = None

    @property
    def record(self) -> RunRecord:
        """What is known of the run."""
        return self._store.read(self.path)

    @property
    def status(self) -> RunStatus:
        """What has become of the run."""
        return self.record.status

    def cancel(self) -> None:
        """Ask the run to stop within one pass over the data; see :meth:`Run.cancel`."""
        if not self.done():
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

    def children(self) -> list[Run]:
        """Return the runs of a sweep."""
        return []

    def _ended(self) -> RunResult | JobFailedError:
        record = self.record
        if record.status is not RunStatus.COMPLETED:
            return self.failure(record.error, self._cause)
        return RunResult(
            self.id, self.experiment, record.status, self.path, dict(record.metrics), bool(record.converged)
        )

    def _pause(self, seconds: float) -> None:
        self._told.wait(seconds)


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

    Examples
    --------
    >>> import mnistlib, tempfile
    >>> backend = mnistlib.LocalBackend(tempfile.mkdtemp())
    >>> run = backend.submit(mnistlib.TrainJob(dataset="digits", regularization=0.5))
    >>> result = run.result()
    >>> result.status, result.converged, result.metrics["accuracy"] > 0.9
    (<RunStatus.COMPLETED: 'completed'>, True, True)
    """

    def __init__(self, runs_folder: str | os.PathLike[str] | None = None, *, max_workers: int = 1) -> None:
        self._store = RunStore(None if runs_folder is None else Path(runs_folder).expanduser())
        self._workers = ThreadPoolExecutor(max_workers, thread_name_prefix="mnistlib")

    def __repr__(self) -> str:
        return f"LocalBackend(runs_folder={str(self._store.folder)!r})"

    def submit(
        self, job: Job, *, experiment: str = "default", name: str | None = None, tags: Mapping[str, str] | None = None
    ) -> LocalRun:
        """Queue a job for a worker thread; see :meth:`Backend.submit`."""
        folder = self._store.create(job.to_json(), job_type=job.type, experiment=experiment, name=name, tags=tags)
        run = LocalRun(self._store, folder)
        self._workers.submit(self._work, job, run)
        return run

    def attach(self, run_id: str) -> LocalRun:
        """Return a handle on a run of any process; see :meth:`Backend.attach`."""
        return LocalRun(self._store, self._store.find(run_id))

    def runs(self) -> list[Run]:
        """Return handles on all runs, the newest first."""
        return [
            LocalRun(self._store, self._store.folder / record.experiment / record.run_id)
            for record in self._store.records()
        ]

    def _work(self, job: Job, run: LocalRun) -> None:
        try:
            if not run.done():  # else it was cancelled in the queue
                self._run(job, run)
        finally:
            run._told.set()

    def _run(self, job: Job, run: LocalRun) -> None:
        context = RunContext(run.path)
        record = replace(run.record, status=RunStatus.RUNNING, started=now())
        record.write(run.path)
        try:
            outcome = execute(job, context)
        except Exception as error:
            run._cause = error
            context.log(traceback.format_exc().rstrip())
            # An error that was foreseen says what to do; of any other the kind matters too.
            reason = str(error) if isinstance(error, MnistlibError) else f"{type(error).__name__}: {error}"
            record = replace(record, status=RunStatus.FAILED, error=reason)
        else:
            record = _with_outcome(record, outcome)
        context.publish_metrics()
        replace(record, ended=now(), metrics=context.metrics).write(run.path)


def _with_outcome(record: RunRecord, outcome: Outcome) -> RunRecord:
    status = RunStatus.CANCELLED if outcome.cancelled else RunStatus.COMPLETED
    return replace(record, status=status, converged=outcome.converged)
