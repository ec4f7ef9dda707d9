"""A cluster's node: run the job that lies in a folder, and leave all of it where the cluster collects files.

What was shipped lies in the current folder: ``job.json``, this package and, of a script, its ``source``. A cluster
collects ``outputs`` and ``logs`` and nothing else, so the record, the metrics and the job lie in ``logs`` too, under
the names that they have in a run's folder everywhere.
"""

import logging
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mnistlib.jobs.job import Job, Work
from mnistlib.jobs.runner import begin, conclude, read_job
from mnistlib.package import FOLDER
from mnistlib.runs import RunRecord, RunStatus, read_metrics
from mnistlib.runs.context import CANCEL_FILE, LOG_FILE, METRIC_LINES_FILE, METRICS_FILE, OUTPUTS
from mnistlib.runs.record import RECORD_FILE, now
from mnistlib.runs.store import JOB_FILE

_log = logging.getLogger("mnistlib")

LOGS = Path(LOG_FILE).parent
#: Files of a run's own folder, which a cluster would not collect there.
COLLECTED = (RECORD_FILE, JOB_FILE, METRIC_LINES_FILE, METRICS_FILE)

_TELL_EVERY = 1.0  # seconds between two looks at what metrics there are to tell


class RunReporter(ABC):
    """Reports a run to the cluster, from the node that runs it.

    Attributes
    ----------
    script_launcher : sequence of str
        Arguments of Python before the name of a script, where a script's metrics would be lost without them.
    """

    script_launcher: Sequence[str] = ()

    @abstractmethod
    def begin(self, job: Job, *, trial: int | None) -> None:
        """Report the job, where it was not known when the run was submitted."""

    @abstractmethod
    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Report values of metrics: name, step, value."""

    @abstractmethod
    def flush(self) -> None:
        """Return when all metrics have arrived."""

    @abstractmethod
    def conclude(self, record: RunRecord) -> None:
        """Report how the run has ended, so that a list of runs needs no file of each."""


def run_on_node(
    folder: Path,
    *,
    run_id: str,
    experiment: str,
    trial: int | None = None,
    data: Path | None = None,
    reporter: RunReporter | None = None,
    work: Work | None = None,
) -> RunRecord:
    """Run the job in a folder to its end. The cluster hears of metrics meanwhile, and of the end from the caller.

    Parameters
    ----------
    folder : Path
        Where ``job.json`` lies, and what the run makes is left.
    run_id, experiment : str
        What the run is called.
    trial : int, optional
        Index of the trial of the sweep in the folder that is to be trained; without it, the job itself is run.
    data : Path, optional
        The folder with the job's data set, where it was brought here.
    reporter : RunReporter, optional
        Who is told of metrics.
    work : callable, optional
        The work of the run; by default, the job is executed.

    Returns
    -------
    RunRecord
        How it ended.
    """
    job = read_job(folder)
    if trial is not None:
        job = job.trials()[trial]
    if reporter is not None:
        try:
            reporter.begin(job, trial=trial)
        except Exception as error:
            _log.warning("what the run does could not be told: %s", error)
    if data is not None:
        job = job.with_data(data)
    _collect(folder, job)
    record = RunRecord(
        run_id=run_id, experiment=experiment, job_type=job.type, status=RunStatus.QUEUED, process="", created=now()
    )
    record.write(folder)
    # A request to stop comes as a signal; the job sees it as everywhere, and keeps what it has.
    signal.signal(signal.SIGTERM, lambda *_: (folder / CANCEL_FILE).touch())
    _let_scripts_import_this_package()
    context = begin(folder)
    if context is not None:
        context.script_launcher = tuple(reporter.script_launcher) if reporter else ()
        with _telling(folder, reporter):
            conclude(context, work or job.execute)
    return RunRecord.read(folder)


def _let_scripts_import_this_package() -> None:
    """Let a script, which runs in a folder and a process of its own, import the package that was shipped with it."""
    shipped = str(FOLDER.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [shipped, os.environ.get("PYTHONPATH")]))


def _collect(folder: Path, job: Job) -> None:
    """Make the folders that are collected, and let the files of the run's own folder lie there."""
    for name in (LOGS, OUTPUTS):
        (folder / name).mkdir(exist_ok=True)
    (folder / LOGS / JOB_FILE).write_text(job.to_json())
    for name in COLLECTED:
        if not os.path.lexists(folder / name):
            (folder / name).symlink_to(LOGS / name)


@contextmanager
def _telling(folder: Path, reporter: RunReporter | None) -> Iterator[None]:
    """Tell the cluster of the metrics while the job logs them, whichever process of it does; of all at the end.

    What could not be told is said in the log, and no more: the files hold all of it, and the job is what counts.
    """
    if reporter is None:
        yield
        return
    ended = threading.Event()
    told: dict[str, int] = {}

    def tell() -> None:
        try:
            tell_what_is_new()
        except Exception as error:
            _log.warning("metrics could not be told: %s", error)

    def tell_what_is_new() -> None:
        metrics = read_metrics(folder)
        new = [(name, *point) for name, points in metrics.items() for point in points[told.get(name, 0) :]]
        if new:
            reporter.log_metrics(new)
            reporter.flush()
        told.update({name: len(points) for name, points in metrics.items()})

    def watch() -> None:
        while not ended.wait(_TELL_EVERY):
            tell()

    watcher = threading.Thread(target=watch, name="metrics", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        tell()
