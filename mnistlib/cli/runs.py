"""Commands for runs: runs list, show, compare, logs, cancel, delete."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from mnistlib.cli.options import backend_of
from mnistlib.cli.output import Answer
from mnistlib.cli.tables import facts_table, format_table, metric_cell
from mnistlib.jobs.runner import read_job
from mnistlib.runs import Run, RunRecord

_SHOWN_FIRST = ("accuracy", "best_regularization", "converged", "iterations", "fit_seconds")


def runs_list(options: argparse.Namespace) -> Answer:
    """List the newest runs."""
    known = backend_of(options).records()
    sweeps = {record.run_id for record in known if record.children}
    records = [
        record
        for record in known
        if options.experiment in (None, record.experiment) and (options.children or record.parent not in sweeps)
    ][: options.count]
    rows = [
        [
            record.run_id,
            record.name or "",
            record.status,
            record.job_type,
            record.experiment,
            metric_cell(record.metrics, "accuracy"),
            _ago(record.created),
        ]
        for record in records
    ]
    table = format_table(["run", "name", "status", "job", "experiment", ">accuracy", ">age"], rows)
    return Answer({"runs": [_record_json(record) for record in records]}, table.splitlines())


def runs_show(options: argparse.Namespace) -> Answer:
    """Return the details of a run."""
    run = backend_of(options).attach(options.run)
    record = run.record
    content = _record_json(record) | {"path": str(run.local_folder()), "files": run.files()}
    return Answer(content, _run_lines(run, record, content["files"]))


def _run_lines(run: Run, record: RunRecord, files: Sequence[str]) -> Iterator[str]:
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
        "files": ", ".join(files),
    }
    facts |= {name: str(value) for name, value in _settings(run).items() if value is not None}
    facts |= {name: f"{value:g}" for name, value in run.metrics().latest.items()}
    yield from facts_table(facts)


def runs_compare(options: argparse.Namespace) -> Answer:
    """Return runs side by side: the differences of their jobs, and their metrics."""
    backend = backend_of(options)
    runs = [backend.attach(name) for name in options.chosen]
    jobs = [_settings(run) for run in runs]
    metrics = [run.metrics().latest for run in runs]
    differing = [name for name in jobs[0] if any(job.get(name) != jobs[0][name] for job in jobs)]
    names = sorted({name for values in metrics for name in values}, key=_metric_order)
    content = [
        {"run_id": run.id, "job": {name: job.get(name) for name in differing}, "metrics": values}
        for run, job, values in zip(runs, jobs, metrics, strict=True)
    ]
    rows = [["status", *(run.status for run in runs)]]
    rows += [[name, *(str(job.get(name, "")) for job in jobs)] for name in differing]
    rows += [[name, *(metric_cell(values, name) for values in metrics)] for name in names]
    table = format_table(["", *(f">{run.id}" for run in runs)], rows)
    return Answer({"runs": content}, table.splitlines())


def runs_logs(options: argparse.Namespace) -> None:
    """Print a run's log, and with -f also new lines until the run ends."""
    run = backend_of(options).attach(options.run)
    if not options.follow:
        print(run.logs(), end="")
        return
    for line in run.follow_logs():
        print(line, flush=True)


def runs_cancel(options: argparse.Namespace) -> Answer:
    """Request cancellation of runs, in any process."""
    backend = backend_of(options)
    outcomes = {}
    for run in [backend.attach(name) for name in options.chosen]:
        outcomes[run.id] = f"already {run.status}" if run.done() else "cancellation requested"
        run.cancel()
    return Answer({"runs": outcomes}, [f"{run_id}  {outcome}" for run_id, outcome in outcomes.items()])


def runs_delete(options: argparse.Namespace) -> Answer:
    """Delete runs that have ended."""
    backend = backend_of(options)
    runs = [backend.attach(name) for name in options.chosen]
    for name in options.chosen:
        backend.delete(name)
    return Answer({"deleted": [run.id for run in runs]}, [f"{run.id}  deleted" for run in runs])


def _record_json(record: RunRecord) -> dict[str, Any]:
    content = asdict(record)
    del content["process"]
    return content


def _settings(run: Run) -> dict[str, Any]:
    """Return the settings of a run's job, for a sweep including those of its base job."""
    job = asdict(read_job(run.local_folder()))
    if "environment" in job:
        job["environment"] = sorted(job["environment"])  # names only: the values may be secrets
    base = job.pop("base", {})
    return {f"base.{name}": value for name, value in base.items()} | job


def _metric_order(name: str) -> tuple[int, str]:
    return (_SHOWN_FIRST.index(name) if name in _SHOWN_FIRST else len(_SHOWN_FIRST), name)


def _ago(created: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
