"""The last run of a sweep: on a node it waits for the others, finds the best, and closes the sweep.

So a sweep ends without whoever has submitted it. It is sent to the queue after the children, and starts when a node
has nothing else to do.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mnistlib.backends.cloud.run import CloudRun, record_of
from mnistlib.backends.cloud.service import Service
from mnistlib.jobs import Job, SweepJob
from mnistlib.jobs.execute import Outcome
from mnistlib.jobs.sweeping import choose
from mnistlib.runs import RunContext
from mnistlib.runs.record import RECORD_FILE

_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 10.0
#: Where the children's files are brought, below the chooser's folder; nothing collects it.
_CHILDREN = "children"


def chooser_of(service: Service, children: Sequence[str]) -> Callable[[Job, RunContext], Outcome]:
    """Return the work of a sweep's last run; `children` are the ids of the others, in the order of the rates."""
    return partial(_choose, service, children)


def _choose(service: Service, children: Sequence[str], job: Job, context: RunContext) -> Outcome:
    if not isinstance(job, SweepJob):
        raise TypeError(f"a {job.type} job has no children to choose from")
    context.log(f"sweep over {len(children)} rates: waiting for the runs of each")
    runs = [_run(service, run_id, context.folder / _CHILDREN / run_id) for run_id in children]
    if not _all_ended(runs, context):
        return Outcome(cancelled=True)
    return choose(job, [_bring(run, context.folder / _CHILDREN / run.id) for run in runs], context)


def _run(service: Service, run_id: str, folder: Path) -> CloudRun:
    found = service.find(run_id)
    if found is None:
        raise LookupError(f"run {run_id} of the sweep is gone")
    return CloudRun(service, found, folder)


def _all_ended(runs: Sequence[CloudRun], context: RunContext) -> bool:
    """Wait until all have ended; return False when the sweep is cancelled before."""
    pause = _FIRST_PAUSE
    while not all(run.done() for run in runs):
        if context.cancelled:
            return False
        time.sleep(pause)
        pause = min(1.2 * pause, _LONGEST_PAUSE)
    return not context.cancelled


def _bring(run: CloudRun, folder: Path) -> Path:
    """Bring a child's files here; of one whose node has left none, a record of how it ended."""
    folder.mkdir(parents=True)
    run.download(folder)
    if not (folder / RECORD_FILE).exists():
        record_of(run.remote).write(folder)
    return folder
