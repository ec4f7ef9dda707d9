"""Execution of a job in a local run folder, with an up-to-date record.

The functions are at module level and take paths, so that joblib can send them to other processes.
"""

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnistlib.errors import JobError, MnistlibError, RunStateError
from mnistlib.jobs.job import Job, Work, job_from_json
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.context import MetricReader
from mnistlib.runs.record import now
from mnistlib.runs.store import JOB_FILE


def run_in_folder(
    folder: Path, *, work: Work | None = None, metric_readers: Sequence[MetricReader] = ()
) -> Exception | None:
    """Do the work of a run in a folder of runs, unless the run was cancelled in the queue.

    By default, the work is that of the job in the folder. The metric readers find metrics in a script's output. Return
    the error of a failed run.
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
    """Record a run as running and return its context; if it was cancelled before, record that and return None."""
    context = RunContext(folder)
    record = RunRecord.read(folder)
    if context.cancelled:
        replace(record, status=RunStatus.CANCELLED, ended=now()).write(folder)
        return None
    replace(record, status=RunStatus.RUNNING, started=now()).write(folder)
    return context


def conclude(context: RunContext, work: Work) -> Exception | None:
    """Do the work of a run that has begun, record its end, and return its error instead of raising it."""
    record = RunRecord.read(context.folder)
    failure = None
    try:
        outcome = work(context)
    except Exception as error:
        failure = error
        expected = isinstance(error, MnistlibError)
        context.note(f"FAILED: {error}" if expected else "".join(traceback.format_exception(error)).rstrip())
        record = replace(record, status=RunStatus.FAILED, error=reason_of(error))
    else:
        status = RunStatus.CANCELLED if outcome.cancelled else RunStatus.COMPLETED
        record = replace(record, status=status, converged=outcome.converged)
    context.publish_metrics()
    replace(record, ended=now(), metrics=context.metrics, best_trial=context.best_trial).write(context.folder)
    return failure


def read_job(folder: Path) -> Job:
    """Read the job of a run folder; RunStateError if this version or this process can't understand it."""
    try:
        return job_from_json((folder / JOB_FILE).read_bytes())
    except JobError as error:
        raise RunStateError(
            f"cannot read the job of run {folder.name}: {error}. Read it with the version of mnistlib that wrote it, "
            "or import the module of its kind of job first"
        ) from error


def reason_of(error: Exception) -> str:
    """Return the reason of a failure: the message, and for an unexpected error also its type."""
    return str(error) if isinstance(error, MnistlibError) else f"{type(error).__name__}: {error}"
