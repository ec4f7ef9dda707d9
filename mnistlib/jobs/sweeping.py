"""Run the trials of a sweep on this machine, and find the best.

With the package's own solver all trials share their passes over the images. Other solvers train one trial at a time,
spread by joblib: inside ``joblib.parallel_config(...)`` as that says, else over this machine's processors.
"""

import importlib
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from mnistlib.datasets import Dataset, load_dataset
from mnistlib.errors import SweepFailedError
from mnistlib.jobs.execute import Outcome, keep, load_for
from mnistlib.jobs.runner import begin, conclude, run_in_folder
from mnistlib.jobs.sweep import SweepJob
from mnistlib.jobs.train import TrainJob
from mnistlib.models.artifact import load_model
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.context import OUTPUTS
from mnistlib.training.fit import judge, require_classes, score, watch
from mnistlib.training.preprocessing import Normalization, fit_normalization
from mnistlib.training.solvers import OWN_SOLVER, Fit, fit_path


@dataclass(frozen=True, eq=False)
class Spread:
    """Where joblib spreads work; what :func:`joblib.parallel_config` sets belongs to one thread only.

    Attributes
    ----------
    backend : joblib backend
        The one that was active when the sweep was submitted.
    n_jobs : int
        How many at a time.
    """

    backend: Any
    n_jobs: int

    @classmethod
    def active(cls) -> "Spread":
        """Return where joblib spreads work in the calling thread."""
        from joblib.parallel import get_active_backend

        backend, n_jobs = get_active_backend()
        return cls(backend, -1 if n_jobs is None else n_jobs)


def run_sweep(sweep: SweepJob, folders: list[Path], context: RunContext, *, spread: Spread) -> Outcome:
    """Run the trials that have not completed yet, then choose the best and score it on the test images.

    Parameters
    ----------
    sweep : SweepJob
        What to do.
    folders : list of Path
        The run folders of the trials, in their order.
    context : RunContext
        The sweep's own side.
    spread : Spread
        Where to run trials that are trained apart.

    Returns
    -------
    Outcome
        Of the best trial.

    Raises
    ------
    SweepFailedError
        If no trial completed.
    """
    pending = [
        (folder, job)
        for folder, job in zip(folders, sweep.children(), strict=True)
        if RunRecord.read(folder).status is RunStatus.QUEUED
    ]
    context.log(f"sweep of {len(folders)} trials, {len(folders) - len(pending)} of them completed before")
    if pending and sweep.base.solver == OWN_SOLVER:
        _train_together(pending, context)
    elif pending:
        _train_apart([folder for folder, _ in pending], spread)
    return Outcome(cancelled=True) if context.cancelled else choose(sweep, folders, context)


def _train_together(pending: list[tuple[Path, TrainJob]], context: RunContext) -> None:
    """Train all trials over shared passes; a failure there fails each trial, a failure after that only one."""
    begun = [(begin(folder), job) for folder, job in pending]
    children = [(child, job) for child, job in begun if child is not None]
    if not children:
        return
    try:
        dataset = load_for(children[0][1], context)
        fitted_map, fits = _fit_together([job for _, job in children], dataset, context)
    except Exception as error:
        for child, _ in children:
            conclude(child, partial(_fail, error))
        return
    cancelled = context.cancelled
    for (child, job), fit in zip(children, fits, strict=True):
        conclude(child, partial(_keep_fit, fit, fitted_map, job, dataset, cancelled=cancelled))


def _fit_together(jobs: list[TrainJob], dataset: Dataset, context: RunContext) -> tuple[Normalization, list[Fit]]:
    require_classes(dataset)
    importlib.import_module("sklearn.linear_model")  # not part of the fit, the first time in a process
    started = perf_counter()
    fitted_map = fit_normalization(jobs[0].normalization, dataset.train.images)
    fits = fit_path(dataset.train, fitted_map, jobs, watch(context, models=len(jobs)))
    context.log_metric("fit_seconds", round(perf_counter() - started, 3))
    return fitted_map, fits


def _keep_fit(
    fit: Fit, fitted_map: Normalization, job: TrainJob, dataset: Dataset, child: RunContext, *, cancelled: bool
) -> Outcome:
    return keep(score(fit, fitted_map, dataset, child, cancelled=cancelled), job, dataset, child)


def _fail(error: Exception, _child: RunContext) -> Outcome:
    raise error.with_traceback(None)


def _train_apart(folders: list[Path], spread: Spread) -> None:
    import joblib

    with joblib.parallel_config(spread.backend, n_jobs=spread.n_jobs):
        joblib.Parallel()(joblib.delayed(run_in_folder)(folder) for folder in folders)


def choose(sweep: SweepJob, folders: list[Path], context: RunContext) -> Outcome:
    """Find the best child, score its model on the test images, and make it the sweep's own output.

    Parameters
    ----------
    sweep : SweepJob
        What was done.
    folders : list of Path
        The run folders of the trials, in their order; all have ended.
    context : RunContext
        The sweep's own side.

    Raises
    ------
    SweepFailedError
        If no trial completed.
    """
    records = {folder: RunRecord.read(folder) for folder in folders}
    completed = {folder: record for folder, record in records.items() if record.status is RunStatus.COMPLETED}
    metric = sweep.primary_metric
    values = {folder: record.metrics[metric] for folder, record in completed.items() if metric in record.metrics}
    best = sweep.best_of(values)
    if best is None:
        raise SweepFailedError(_why_none(metric, list(records.values()), list(completed.values())))
    trial = folders.index(best)
    context.log_metric("best_regularization", sweep.regularization[trial])
    context.log_metric(f"best_{metric}", values[best])
    base = sweep.base
    dataset = load_dataset(base.dataset, limit=base.limit, data_folder=base.data_folder, download=base.download)
    model = load_model(best / OUTPUTS)
    context.log_metric("accuracy", judge(model.classifier, dataset).accuracy)
    for file in (best / OUTPUTS).iterdir():
        shutil.copyfile(file, context.output_path(file.name))
    return Outcome(converged=records[best].converged, best_trial=trial)


def _why_none(metric: str, records: list[RunRecord], completed: list[RunRecord]) -> str:
    if completed:
        known = sorted({name for record in completed for name in record.metrics})
        return f"no trial has the primary metric {metric!r}; they have {', '.join(known)}"
    return f"all {len(records)} trials failed, the first because: {records[0].error}"
