"""Execution of a job on a cluster's node.

The current folder holds the shipped files: ``job.json``, this package and, for a script, its ``source`` folder. A
cluster collects only ``outputs`` and ``logs``. Therefore ``logs`` also holds the record, the metrics and the job, under
the same names as in any run folder.
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
#: Files of a run folder that are moved into `LOGS`, because a cluster does not collect them elsewhere.
COLLECTED = (RECORD_FILE, JOB_FILE, METRIC_LINES_FILE, METRICS_FILE)

_REPORT_INTERVAL = 1.0  # seconds between two reports of new metrics


class RunReporter(ABC):
    """Interface for reporting a run from its node to the cluster.

    Attributes
    ----------
    script_launcher : sequence of str
        Arguments of Python before the name of a script; some clusters need them to receive the script's metrics.
    """

    script_launcher: Sequence[str] = ()

    @abstractmethod
    def begin(self, job: Job, *, trial: int | None) -> None:
        """Publish the job's metadata, if it was unknown when the run was submitted."""

    @abstractmethod
    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Report metric values, each as name, step, value."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until all metrics have arrived."""

    @abstractmethod
    def conclude(self, record: RunRecord) -> None:
        """Report the end of the run, so that a list of runs can be made without reading each run's files."""


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
    """Run the job in a folder to its end, and report its metrics. The caller reports the end.

    Parameters
    ----------
    folder : Path
        Folder of ``job.json`` and of the run's results.
    run_id, experiment : str
        Id and experiment of the run.
    trial : int, optional
        Index of the sweep's trial to train; by default, the job itself is run.
    data : Path, optional
        Folder of the job's data set, if it is on this node.
    reporter : RunReporter, optional
        Receives the metrics.
    work : callable, optional
        Work of the run; by default, the job is executed.

    Returns
    -------
    RunRecord
        Final record of the run.
    """
    job = read_job(folder)
    if trial is not None:
        job = job.trials()[trial]
    if reporter is not None:
        try:
            reporter.begin(job, trial=trial)
        except Exception as error:
            _log.warning("could not publish job metadata: %s", error)
    if data is not None:
        job = job.with_data(data)
    _collect(folder, job)
    record = RunRecord(
        run_id=run_id, experiment=experiment, job_type=job.type, status=RunStatus.QUEUED, process="", created=now()
    )
    record.write(folder)
    # The cluster requests a stop by a signal; convert it to a cancel file, so that the job keeps its results so far.
    signal.signal(signal.SIGTERM, lambda *_: (folder / CANCEL_FILE).touch())
    _add_package_to_python_path()
    context = begin(folder)
    if context is not None:
        context.script_launcher = tuple(reporter.script_launcher) if reporter else ()
        with _reporting_metrics(folder, reporter):
            conclude(context, work or job.execute)
    return RunRecord.read(folder)


def _add_package_to_python_path() -> None:
    """Make the shipped package importable for a script, which runs in its own folder and process."""
    shipped = str(FOLDER.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [shipped, os.environ.get("PYTHONPATH")]))


def _collect(folder: Path, job: Job) -> None:
    """Create the collected folders, and link the files in `COLLECTED` to them."""
    for name in (LOGS, OUTPUTS):
        (folder / name).mkdir(exist_ok=True)
    (folder / LOGS / JOB_FILE).write_text(job.to_json())
    for name in COLLECTED:
        if not os.path.lexists(folder / name):
            (folder / name).symlink_to(LOGS / name)


@contextmanager
def _reporting_metrics(folder: Path, reporter: RunReporter | None) -> Iterator[None]:
    """Report new metrics from all processes of the job at an interval, and the remaining ones at the end.

    A failed report is only logged as a warning: the files hold all metrics, and the job must go on.
    """
    if reporter is None:
        yield
        return
    ended = threading.Event()
    reported: dict[str, int] = {}

    def report() -> None:
        try:
            report_new_metrics()
        except Exception as error:
            _log.warning("could not report metrics: %s", error)

    def report_new_metrics() -> None:
        metrics = read_metrics(folder)
        new = [(name, *point) for name, points in metrics.items() for point in points[reported.get(name, 0) :]]
        if new:
            reporter.log_metrics(new)
            reporter.flush()
        reported.update({name: len(points) for name, points in metrics.items()})

    def watch() -> None:
        while not ended.wait(_REPORT_INTERVAL):
            report()

    watcher = threading.Thread(target=watch, name="metrics", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        report()
