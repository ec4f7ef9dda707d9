"""Overhead of a run over its training, and the time to list many runs: ``python -m benchmarks.runs [--json]``."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import Bar, arguments, show, time_in_turns
from mnistlib import LocalBackend, TrainJob, load_dataset
from mnistlib.models.artifact import pickle_classifier
from mnistlib.runs import RunRecord, RunStatus, RunStore
from mnistlib.runs.record import now
from mnistlib.runs.store import JOB_FILE, new_run_id
from mnistlib.training.preprocessing import fit_normalization
from mnistlib.training.solvers import SOLVERS

JOB = TrainJob(dataset="digits", regularization=0.5)
MOST_OVERHEAD = 0.060  # seconds
MANY = 10_000
MOST_LISTING = 1.0  # seconds


def train_directly() -> object:
    """Do the work of a run without a run: load, fit, score, pickle."""
    dataset = load_dataset(JOB.dataset)
    fitted_map = fit_normalization(JOB.normalization, dataset.train.images)
    fit = SOLVERS[JOB.solver](dataset.train, fitted_map, JOB, lambda _progress: False)
    fit.classifier.score(dataset.test.images.reshape(len(dataset.test), -1) / 255, dataset.test.labels)
    return pickle_classifier(fit.classifier)


def make_many_runs(folder: Path) -> RunStore:
    """Write as many ended runs as a team makes in a year."""
    store = RunStore(folder)
    first = store.create(JOB.to_json(), job_type=JOB.type, experiment="many")
    ended = replace(
        RunRecord.read(first), status=RunStatus.COMPLETED, ended=now(), metrics={"accuracy": 0.9}, converged=True
    )
    ended.write(first)
    for number in range(MANY - 1):
        run_id = f"{new_run_id()}-{number:05d}"
        copy = first.with_name(run_id)
        copy.mkdir()
        (copy / JOB_FILE).write_text(json.dumps({}))
        replace(ended, run_id=run_id).write(copy)
    return store


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        backend = LocalBackend(Path(folder, "runs"))
        runs = time_in_turns({"directly": train_directly, "as a run": lambda: backend.run(JOB)}, rounds=25)
        store = make_many_runs(Path(folder, "many"))
        listing = time_in_turns({"list": store.records}, rounds=5)
    overhead = runs.median("as a run") - runs.median("directly")
    seconds = listing.median("list")
    rows = [{"training": name, "median ms": runs.median(name) * 1e3} for name in runs.seconds]
    bars = [
        Bar(
            "overhead of a run over its training",
            f"under {MOST_OVERHEAD * 1e3:.0f} ms",
            f"{overhead * 1e3:.1f} ms",
            overhead < MOST_OVERHEAD,
        ),
        Bar(f"listing {MANY:,} runs", f"under {MOST_LISTING:g} s", f"{seconds:.2f} s", seconds < MOST_LISTING),
    ]
    show({"The digits, solver auto": rows}, bars, as_json=options.json)


if __name__ == "__main__":
    main()
