"""Internal command node, which backends run on a cluster's node."""

import argparse
import sys
import traceback
from pathlib import Path

from mnistlib.backends.cloud.finalize import close_if_last
from mnistlib.backends.cloud.node import NodeSide
from mnistlib.backends.spec import spec_of
from mnistlib.errors import BackendError, JobError
from mnistlib.jobs.node import run_on_node
from mnistlib.jobs.runner import read_job
from mnistlib.lazy import imported
from mnistlib.runs import RunStatus


def node(options: argparse.Namespace) -> None:
    """Run the job in the current folder; the exit status is 1 unless the run completed.

    For a trial of a sweep, run the trial, and also select the best trial if no other trial is unfinished. For a sweep
    whose trials have all completed before, only select the best trial.
    """
    side = _node_side(options.backend)
    data = Path(options.data) if options.data else None
    if options.sweep == side.run_id:
        status = _close(options, side, data)
    else:
        record = run_on_node(
            Path.cwd(), run_id=side.run_id, experiment=side.experiment, trial=_trial(options), data=data, reporter=side
        )
        status = record.status
        try:
            side.conclude(record)
            if options.sweep:
                _close(options, side, data)
            elif options.register_as and status is RunStatus.COMPLETED:
                side.register(options.register_as, Path.cwd())
        except Exception:  # the run's own work is done, and the sweep itself reports a missing selection
            traceback.print_exc()
    if status is not RunStatus.COMPLETED:
        sys.exit(1)


def _node_side(name: str) -> NodeSide:
    """Return the node side of a backend."""
    reference = spec_of(name).node
    if reference is None:
        raise BackendError(f"the backend {name} has no nodes")
    side: NodeSide = imported(reference)()
    return side


def _trial(options: argparse.Namespace) -> int | None:
    """Return the index of the trial; version 0.1 identified it by its regularization."""
    if options.rate is None:
        return None if options.trial is None else int(options.trial)
    trials = [trial.training for trial in read_job(Path.cwd()).trials()]
    return [trial.regularization for trial in trials if trial].index(options.rate)


def _close(options: argparse.Namespace, side: NodeSide, data: Path | None) -> RunStatus | None:
    sweep = read_job(Path.cwd()).sweep
    if sweep is None:
        raise JobError("--sweep needs a job with trials")
    return close_if_last(side, options.sweep, sweep, data=data, register_as=options.register_as)
