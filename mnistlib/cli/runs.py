"""The commands about runs: sweep, and runs list, show, compare, logs, cancel, delete."""

import argparse
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from mnistlib.cli.options import given_options
from mnistlib.cli.output import backend_of, near, print_json, print_plan, run_json, submit_and_wait, training_job
from mnistlib.cli.tables import format_table
from mnistlib.errors import JobError
from mnistlib.jobs import SweepJob
from mnistlib.jobs.runner import read_job
from mnistlib.runs import Run, RunRecord

_SHOWN_FIRST = ("accuracy", "best_regularization", "converged", "iterations", "fit_seconds")


def sweep(options: argparse.Namespace) -> None:
    """Train with several values of the regularization and print the metric of each."""
    job = SweepJob(
        base=training_job(options),
        regularization=_values(options.values),
        **given_options(options, SweepJob),
    )
    backend = backend_of(options)
    if options.dry_run:
        print_plan(backend.plan(job), options)
        return
    run, result = submit_and_wait(backend, job, options, resume=options.resume)
    children = [
        (value, child.status, child.metrics().latest, child)
        for value, child in zip(job.regularization, run.children(), strict=True)
    ]
    best = run.best
    if options.json:
        print_json(
            **run_json(result),
            best=best.id if best else None,
            children=[
                {"run_id": child.id, "regularization": value, "status": status, "metrics": metrics}
                for value, status, metrics, child in children
            ],
        )
        return
    rows = [
        [
            f"{value:g}",
            child.id,
            status,
            _number(metrics, job.primary_metric),
            "best" if best and best.id == child.id else "",
        ]
        for value, status, metrics, child in children
    ]
    print(format_table([">regularization", "run", "status", f">validation {job.primary_metric}", ""], rows))
    print(f"run        {result.run_id}")
    print(f"best       regularization {result.metrics['best_regularization']:g}")
    print(f"accuracy   {result.metrics['accuracy']:.4f} on the test images")
    print(f"model      {near(result.model_path)}")


def runs_list(options: argparse.Namespace) -> None:
    """Print the newest runs."""
    known = backend_of(options).records()
    sweeps = {record.run_id for record in known if record.children}
    records = [
        record
        for record in known
        if options.experiment in (None, record.experiment) and (options.children or record.parent not in sweeps)
    ][: options.count]
    if options.json:
        print_json(runs=[_record_json(record) for record in records])
        return
    rows = [
        [
            record.run_id,
            record.name or "",
            record.status,
            record.job_type,
            record.experiment,
            _number(record.metrics, "accuracy"),
            _ago(record.created),
        ]
        for record in records
    ]
    print(format_table(["run", "name", "status", "job", "experiment", ">accuracy", ">age"], rows), end="")


def runs_show(options: argparse.Namespace) -> None:
    """Print all that is known of a run."""
    run = _run(options, options.run)
    record = run.record
    if options.json:
        print_json(**_record_json(record), path=str(run.local_folder()), files=run.files())
        return
    facts = {
        "run": record.run_id,
        "name": record.name or "",
        "status": record.status + (f": {record.error}" if record.error else ""),
        "experiment": record.experiment,
        "created": record.created,
        "ended": record.ended or "",
        "tags": ", ".join(f"{key}={value}" for key, value in record.tags.items()),
        "sweep": record.parent or "",
        "trials": ", ".join(record.children),
        "best trial": best.id if (best := run.best) else "",
        "folder": str(run.local_folder()),
        "files": ", ".join(run.files()),
    }
    facts |= {
        name: str(value) for name, value in _flat(asdict(read_job(run.local_folder()))).items() if value is not None
    }
    facts |= {name: f"{value:g}" for name, value in run.metrics().latest.items()}
    width = max(map(len, facts))
    for name, value in facts.items():
        if value:
            print(f"{name:<{width}}  {value}")


def runs_compare(options: argparse.Namespace) -> None:
    """Print runs side by side: what differs in their jobs, and their metrics."""
    runs = [_run(options, name) for name in options.chosen]
    jobs = [_flat(asdict(read_job(run.local_folder()))) for run in runs]
    metrics = [run.metrics().latest for run in runs]
    differing = [name for name in jobs[0] if any(job.get(name) != jobs[0][name] for job in jobs)]
    names = sorted({name for values in metrics for name in values}, key=_metric_order)
    if options.json:
        print_json(
            runs=[
                {"run_id": run.id, "job": {name: job.get(name) for name in differing}, "metrics": values}
                for run, job, values in zip(runs, jobs, metrics, strict=True)
            ]
        )
        return
    rows = [["status", *(run.status for run in runs)]]
    rows += [[name, *(str(job.get(name, "")) for job in jobs)] for name in differing]
    rows += [[name, *(_number(values, name) for values in metrics)] for name in names]
    print(format_table(["", *(f">{run.id}" for run in runs)], rows), end="")


def runs_logs(options: argparse.Namespace) -> None:
    """Print a run's log, and with -f what is added until it ends."""
    run = _run(options, options.run)
    if not options.follow:
        print(run.logs(), end="")
        return
    for line in run.follow_logs():
        print(line, flush=True)


def runs_cancel(options: argparse.Namespace) -> None:
    """Ask runs of any process to stop."""
    for name in options.chosen:
        run = _run(options, name)
        ended = run.status if run.done() else None
        run.cancel()
        print(f"{run.id}  {f'was {ended} already' if ended else 'asked to stop'}")


def runs_delete(options: argparse.Namespace) -> None:
    """Remove runs that have ended."""
    backend = backend_of(options)
    runs = [backend.attach(name) for name in options.chosen]
    for run, name in zip(runs, options.chosen, strict=True):
        backend.delete(name)
        print(f"{run.id}  deleted")


def _run(options: argparse.Namespace, name: str) -> Run:
    return backend_of(options).attach(name)


def _values(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise JobError(f"--regularization must be numbers with commas between them, not {text!r}") from error


def _record_json(record: RunRecord) -> dict[str, Any]:
    content = asdict(record)
    del content["process"]
    return content


def _flat(job: dict[str, Any]) -> dict[str, Any]:
    """Bring the settings of a sweep's base job beside its own."""
    base = job.pop("base", {})
    return {f"base.{name}": value for name, value in base.items()} | job


def _metric_order(name: str) -> tuple[int, str]:
    return (_SHOWN_FIRST.index(name) if name in _SHOWN_FIRST else len(_SHOWN_FIRST), name)


def _number(metrics: Any, name: str) -> str:
    value = metrics.get(name)
    if value is None:
        return ""
    whole = math.isfinite(value) and value == int(value) and "accuracy" not in name
    return f"{value:.4g}" if whole or abs(value) >= 1000 else f"{value:.4f}"


def _ago(created: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
