"""The two sides of a run: what its owner holds, and what the job inside sees.

    status     the states of a run
    record     run.json: what is known of a run, on disk from the moment it is submitted
    store      a folder of runs: create, find, list, delete
    context    the job's side
    handle     the owner's side, shaped like ``concurrent.futures.Future``
    notebook   how a notebook shows it, until it has ended

A run folder is ``<runs>/<experiment>/<run id>/``::

    run.json         its record; written by the process that runs it, and by no other
    job.json         what was asked for
    metrics.jsonl    every metric value, a line each, as it was logged
    metrics.json     the last value of each metric, written when the run ends
    cancel           present once somebody, in whatever process, has asked to cancel
    logs/run.log     what was said on the way
    outputs/         the model, its description, and whatever else the job leaves
"""

from mnistlib.runs.context import Metrics, RunContext, current_run, read_metrics
from mnistlib.runs.handle import Run, RunResult
from mnistlib.runs.record import RunRecord
from mnistlib.runs.status import RunStatus
from mnistlib.runs.store import RunStore, default_runs_folder

__all__ = [
    "Metrics",
    "Run",
    "RunContext",
    "RunRecord",
    "RunResult",
    "RunStatus",
    "RunStore",
    "current_run",
    "default_runs_folder",
    "read_metrics",
]
