"""The two sides of a run: the owner's handle and the job's context.

    status     the states of a run
    record     run.json: the state of a run, on disk from its submission on
    store      a folder of runs: create, find, list, delete
    context    the job's side
    handle     the owner's side, shaped like ``concurrent.futures.Future``
    result     the result of a completed run
    notebook   a run's view in a notebook, refreshed until the run has ended

A run folder is ``<runs>/<experiment>/<run id>/``::

    run.json         the record; only the process that runs the job writes it
    job.json         the job
    metrics.jsonl    every metric value, one a line, in the order of logging
    metrics.json     the last value of each metric, written when the run ends
    cancel           present after a request to cancel, from any process
    logs/run.log     the log
    outputs/         the model, its description, and other outputs of the job
"""

from mnistlib.runs.context import Metrics, RunContext, current_run, read_metrics
from mnistlib.runs.handle import Run
from mnistlib.runs.record import RunRecord
from mnistlib.runs.result import RunResult
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
