"""Commands that run jobs: train and sweep."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from mnistlib.backends import Backend
from mnistlib.cli.options import backend_of, backend_options, given_options
from mnistlib.cli.output import Answer, near
from mnistlib.cli.tables import facts_table, format_table, metric_cell
from mnistlib.errors import JobError
from mnistlib.jobs import Job, SweepJob, TrainJob
from mnistlib.runs import Run, RunResult

_CANCEL_TIMEOUT = 10  # seconds for a cancelled run to save its results
_INTERRUPTED = 130


def train(options: argparse.Namespace) -> Answer:
    """Train a model and save it."""
    backend = backend_of(options)
    job = TrainJob(**given_options(options, TrainJob))
    if options.dry_run:
        return _planned(backend, job)
    _, result = _submit_and_wait(backend, job, options)
    iterations = f"{result.metrics['iterations']:.0f} iterations"
    facts = {
        "run": result.run_id,
        "accuracy": f"{result.metrics['accuracy']:.4f}",
        "converged": f"yes, {iterations}" if result.converged else f"NO, stopped after {iterations}",
        "model": near(result.model_path),
    }
    return Answer(_result_json(result), facts_table(facts))


def sweep(options: argparse.Namespace) -> Answer:
    """Train with several values of the regularization and return the metric of each."""
    job = SweepJob(
        base=TrainJob(**given_options(options, TrainJob)),
        regularization=_values(options.values),
        **given_options(options, SweepJob),
    )
    backend = backend_of(options)
    if options.dry_run:
        return _planned(backend, job)
    run, result = _submit_and_wait(backend, job, options, resume=options.resume)
    trials = [
        {"run_id": trial.id, "regularization": value, "status": trial.status, "metrics": trial.metrics().latest}
        for value, trial in zip(job.regularization, run.children(), strict=True)
    ]
    best = run.best
    content = _result_json(result) | {"best": best.id if best else None, "children": trials}
    return Answer(content, _sweep_lines(result, content, job.primary_metric))


def _sweep_lines(result: RunResult, content: Mapping[str, Any], metric: str) -> Iterator[str]:
    rows = [
        [
            f"{trial['regularization']:g}",
            trial["run_id"],
            trial["status"],
            metric_cell(trial["metrics"], metric),
            "best" if trial["run_id"] == content["best"] else "",
        ]
        for trial in content["children"]
    ]
    yield format_table([">regularization", "run", "status", f">validation {metric}", ""], rows)
    yield from facts_table(
        {
            "run": result.run_id,
            "best": f"regularization {result.metrics['best_regularization']:g}",
            "accuracy": f"{result.metrics['accuracy']:.4f} on the test images",
            "model": near(result.model_path),
        },
        width=len("converged"),  # the width in the output of train
    )


def _values(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise JobError(f"--regularization must be numbers separated by commas, not {text!r}") from error


def _planned(backend: Backend, job: Job) -> Answer:
    """Return the plan of a job's submission."""
    plan = backend.plan(job)
    return Answer(asdict(plan), [str(plan)])


def _result_json(result: RunResult) -> dict[str, Any]:
    return {
        "run_id": result.run_id,
        "experiment": result.experiment,
        "status": result.status,
        "path": str(result.path),
        "model": str(result.model_path),
        "metrics": dict(result.metrics),
        "converged": result.converged,
    }


def _submit_and_wait(
    backend: Backend, job: Job, options: argparse.Namespace, *, resume: bool = False
) -> tuple[Run, RunResult]:
    """Run a job to its end; Ctrl-C cancels it."""
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
            run.wait(_CANCEL_TIMEOUT)
        except (TimeoutError, KeyboardInterrupt):
            # Some solvers cannot be stopped and would keep this process alive; the run is recorded as cancelled.
            print(f"mnistlib: run {run.id} is cancelled during its fit", file=sys.stderr, flush=True)
            _end_workers()
            os._exit(_INTERRUPTED)
        print(f"mnistlib: run {run.id} is {run.status}; its results so far are in its folder", file=sys.stderr)
        raise


def _end_workers() -> None:
    """End joblib's worker processes, which would outlive this process."""
    # Uses private names: loky's public function would create an executor, and its shutdown waits for the work.
    executor = getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)
    for pid in list(getattr(executor, "_processes", None) or ()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
