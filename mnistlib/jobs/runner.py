"""Run a job in a run folder of this machine, with its record kept true at every moment.

These are module-level functions of paths, so that joblib can send them to other processes.
"""

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnistlib.errors import MnistlibError
from mnistlib.jobs.job import Job, Work, job_from_json
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.context import MetricReader
from mnistlib.runs.record import now
from mnistlib.runs.store import JOB_FILE


def run_in_folder(
    folder: Path, *, work: Work | None = None, metric_readers: Sequence[MetricReader] = ()
) -> Exception | None:
    """Do the work of a run whose folder lies in a folder of runs, unless it was cancelled in the queue.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    work : callable, optional
        The work. Default: that of the job in the folder.
    metric_readers : sequence of callable
        Find metrics that a script has printed.

    Returns
    -------
    Exception or None
        The error by which the run failed.
    """
    context = begin(folder)
    if context is None:
        return None
    context.runs_folder = folder.parent.parent
    context.metric_readers = metric_readers
    return conclude(context, work or _work_of(folder))


def _work_of(folder: Path) -> Work:
    trials = RunRecord.read(folder).children
    return read_job(folder).work([folder.with_name(trial) for trial in trials])


def begin(folder: Path) -> RunContext | None:
    """Record a run as running, and return the job's side of it; None, and cancelled, if that was asked for before."""
    context = RunContext(folder)
    record = RunRecord.read(folder)
    if context.cancelled:
        replace(record, status=RunStatus.CANCELLED, ended=now()).write(folder)
        return None
    replace(record, status=RunStatus.RUNNING, started=now()).write(folder)
    return context


def conclude(context: RunContext, work: Work) -> Exception | None:
    """Do the work of a run that has begun, and record what it came to; its failure is returned, not raised."""
    record = RunRecord.read(context.folder)
    failure = None
    try:
        outcome = work(context)
    except Exception as error:
        failure = error
        foreseen = isinstance(error, MnistlibError)
        context.note(f"FAILED: {error}" if foreseen else "".join(traceback.format_exception(error)).rstrip())
        record = replace(record, status=RunStatus.FAILED, error=reason_of(error))
    else:
        status = RunStatus.CANCELLED if outcome.cancelled else RunStatus.COMPLETED
        record = replace(record, status=status, converged=outcome.converged)
    context.publish_metrics()
    replace(record, ended=now(), metrics=context.metrics, best_trial=context.best_trial).write(context.folder)
    return failure


def read_job(folder: Path) -> Job:
    """Return the job that lies in a run's folder."""
    return job_from_json((folder / JOB_FILE).read_bytes())


def reason_of(error: Exception) -> str:
    """Say why a job failed: an error that was foreseen says what to do; of any other the kind matters too."""
    return str(error) if isinstance(error, MnistlibError) else f"{type(error).__name__}: {error}"
