"""What commands share: options to jobs, waiting for a run, and printing."""

import argparse
import json
import math
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnistlib.backends import Backend, get_backend
from mnistlib.backends.plan import Plan
from mnistlib.cli.options import backend_options, given_options
from mnistlib.jobs import Job, TrainJob
from mnistlib.runs import Run, RunResult

_PATIENCE = 10  # seconds that a cancelled run is given to keep what it has
_INTERRUPTED = 130


def training_job(options: argparse.Namespace) -> TrainJob:
    """Make the training job that the options ask for; what they leave out is the job's own default."""
    return TrainJob(**given_options(options, TrainJob))


def submit_and_wait(
    backend: Backend, job: Job, options: argparse.Namespace, *, resume: bool = False
) -> tuple[Run, RunResult]:
    """Run a job to its end; Ctrl-C cancels it and says so."""
    run = backend.submit(
        job,
        experiment=options.experiment,
        name=options.name,
        tags=options.tags,
        resume=resume,
        register_as=options.register_as,
        **backend_options(options, "submission"),
    )
    try:
        return run, run.result()
    except KeyboardInterrupt:
        run.cancel()
        print(f"mnistlib: cancelling run {run.id}", file=sys.stderr)
        try:
            run.wait(_PATIENCE)
        except (TimeoutError, KeyboardInterrupt):
            # A solver that can't be stopped would keep this process alive; its record says that it was cancelled.
            print(f"mnistlib: run {run.id} is cancelled in mid-fit", file=sys.stderr, flush=True)
            _end_workers()
            os._exit(_INTERRUPTED)
        print(f"mnistlib: run {run.id} is {run.status}; what it had is in its folder", file=sys.stderr)
        raise


def backend_of(options: argparse.Namespace) -> Backend:
    """Return the backend that the options name."""
    return get_backend(options.backend, **backend_options(options, "connection"))


def print_plan(plan: Plan, options: argparse.Namespace) -> None:
    """Print what submitting a job would do."""
    if options.json:
        print_json(**asdict(plan))
    else:
        print(plan)


def run_json(result: RunResult) -> dict[str, Any]:
    """Return what ``--json`` prints of a run that has completed."""
    return {
        "run_id": result.run_id,
        "experiment": result.experiment,
        "status": result.status,
        "path": str(result.path),
        "model": str(result.model_path),
        "metrics": dict(result.metrics),
        "converged": result.converged,
    }


def print_json(**content: Any) -> None:
    """Print one JSON object, at once: who started a service waits for its first word."""
    print(json.dumps(_finite(content), indent=2), flush=True)


def _end_workers() -> None:
    """End the processes that joblib has spread work over, which would outlive this one."""
    # By its own parts: to ask loky for its executor makes one, and its orderly shutdown waits for the work.
    executor = getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)
    for pid in list(getattr(executor, "_processes", None) or ()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _finite(content: Any) -> Any:
    """Put null where JSON has no number: NaN and the infinities."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def near(path: Path) -> str:
    """Return a path as a person would write it: relative, where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
