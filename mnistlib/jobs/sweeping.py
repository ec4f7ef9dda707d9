"""Execution of a sweep's trials on this machine.

With the package's own solver, all trials share their passes over the images. With other solvers, each trial is trained
separately, in parallel by joblib: as configured by ``joblib.parallel_config(...)``, else on this machine's processors.
"""

import importlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from mnistlib.datasets import Dataset
from mnistlib.jobs.job import Outcome
from mnistlib.jobs.runner import begin, conclude, run_in_folder
from mnistlib.jobs.train import TrainJob, keep, load_for
from mnistlib.runs import RunContext
from mnistlib.training.fit import require_classes, score, watch
from mnistlib.training.preprocessing import Normalization, fit_normalization
from mnistlib.training.solvers import Fit, fit_path


@dataclass(frozen=True, eq=False)
class Spread:
    """Settings of joblib; kept here because :func:`joblib.parallel_config` applies to one thread only.

    Attributes
    ----------
    backend : joblib backend
        Active backend of joblib when the sweep was submitted.
    n_jobs : int
        Number of parallel tasks.
    """

    backend: Any
    n_jobs: int

    @classmethod
    def active(cls) -> "Spread":
        """Return the settings of joblib in the calling thread."""
        from joblib.parallel import get_active_backend

        backend, n_jobs = get_active_backend()
        return cls(backend, -1 if n_jobs is None else n_jobs)


def train_together(pending: list[tuple[Path, TrainJob]], context: RunContext) -> None:
    """Train all trials over shared passes. An error in training fails all trials, a later error only one trial."""
    begun = [(begin(folder), job) for folder, job in pending]
    trials = [(trial, job) for trial, job in begun if trial is not None]
    if not trials:
        return
    try:
        dataset = load_for(trials[0][1], context)
        fitted_map, fits = _fit_together([job for _, job in trials], dataset, context)
    except Exception as error:
        for trial, _ in trials:
            conclude(trial, partial(_fail, error))
        return
    cancelled = context.cancelled
    for (trial, job), fit in zip(trials, fits, strict=True):
        conclude(trial, partial(_keep_fit, fit, fitted_map, job, dataset, cancelled=cancelled))


def _fit_together(jobs: list[TrainJob], dataset: Dataset, context: RunContext) -> tuple[Normalization, list[Fit]]:
    require_classes(dataset)
    importlib.import_module("sklearn.linear_model")  # the first import takes time, which must not count as the fit's
    started = perf_counter()
    fitted_map = fit_normalization(jobs[0].normalization, dataset.train.images)
    fits = fit_path(dataset.train, fitted_map, jobs, watch(context, models=len(jobs)))
    context.log_metric("fit_seconds", round(perf_counter() - started, 3))
    return fitted_map, fits


def _keep_fit(
    fit: Fit, fitted_map: Normalization, job: TrainJob, dataset: Dataset, trial: RunContext, *, cancelled: bool
) -> Outcome:
    return keep(score(fit, fitted_map, dataset, trial, cancelled=cancelled), job, dataset, trial)


def _fail(error: Exception, _trial: RunContext) -> Outcome:
    raise error.with_traceback(None)


def train_apart(folders: list[Path], spread: Spread) -> None:
    """Train each trial separately, with joblib's number of parallel tasks."""
    import joblib

    with joblib.parallel_config(spread.backend, n_jobs=spread.n_jobs):
        joblib.Parallel()(joblib.delayed(run_in_folder)(folder) for folder in folders)
