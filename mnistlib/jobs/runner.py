"""Run a job in a run folder of this machine, with its record kept true at every moment.

These are module-level functions of paths, so that joblib can send them to other processes.
"""

import traceback
from dataclasses import replace
from pathlib import Path

from mnistlib.errors import MnistlibError
from mnistlib.jobs.job import Job, Work, job_from_json
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.record import now
from mnistlib.runs.store import JOB_FILE


def run_in_folder(folder: Path) -> Exception | None:
    """Run the job that lies in a run's folder, and return why it failed, if it did."""
    context = begin(folder)
    return None if context is None else conclude(context, lambda active: read_job(folder).execute(active))


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
