"""A data set in, a fitted classifier and its metrics out; pure but for what it tells its context."""

import importlib
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from mnistlib.datasets import Dataset
from mnistlib.errors import DataError
from mnistlib.linear import Callback, Progress
from mnistlib.pictures import WHITE
from mnistlib.runs import RunContext
from mnistlib.training.evaluation import Evaluation, evaluate
from mnistlib.training.options import SolverOptions
from mnistlib.training.preprocessing import Normalization, fit_normalization
from mnistlib.training.solvers import SOLVERS, Fit


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What training gives.

    Attributes
    ----------
    classifier : scikit-learn estimator
        Plain, and for pixels in [0, 1] whatever the normalization was.
    converged : bool
        Whether the solver reached its tolerance.
    cancelled : bool
        Whether the fit was cut short by a request to cancel; the classifier is the best so far.
    """

    classifier: Any
    converged: bool
    cancelled: bool


def train(
    dataset: Dataset, *, normalization: str, solver: str, options: SolverOptions, context: RunContext
) -> TrainedModel:
    """Fit a logistic regression to a data set's training images and score it on the test images.

    Parameters
    ----------
    dataset : Dataset
        What to learn from.
    normalization : str
        One of :data:`mnistlib.training.options.NORMALIZATIONS`.
    solver : str
        One of :data:`mnistlib.training.solvers.SOLVERS`.
    options : SolverOptions
        For the solver.
    context : RunContext
        Receives the metrics ``accuracy`` (on the test images), ``iterations``, ``converged`` (1 or 0) and
        ``fit_seconds``; from the package's own solver also ``objective``, ``gradient_norm`` and ``passes`` after every
        iteration. Asked after every iteration whether to stop.

    Returns
    -------
    TrainedModel
        The classifier, and how its fit ended.

    Raises
    ------
    DataError
        If all training images have the same label.
    """
    require_classes(dataset)
    context.log(f"fitting {len(dataset.train)} images, solver {solver}, regularization {options.regularization:g}")
    importlib.import_module("sklearn.linear_model")  # not part of the fit, the first time in a process
    started = perf_counter()
    fitted_map = fit_normalization(normalization, dataset.train.images)
    fit = SOLVERS[solver](dataset.train, fitted_map, options, watch(context))
    context.log_metric("fit_seconds", round(perf_counter() - started, 3))
    return score(fit, fitted_map, dataset, context, cancelled=context.cancelled)


def score(
    fit: Fit, fitted_map: Normalization, dataset: Dataset, context: RunContext, *, cancelled: bool
) -> TrainedModel:
    """Turn a fit into a model of pixels, judge it on the test images, and tell the context."""
    classifier = _fold(fit.classifier, fitted_map)
    context.log_metric("iterations", fit.iterations)
    context.log_metric("converged", not fit.convergence_message)
    for warning in fit.warnings:
        context.log(f"warning of the solver: {warning}")
    if cancelled:
        context.log("CANCELLED: what is kept is the best model so far")
    elif fit.convergence_message:
        context.log(f"NOT CONVERGED: {fit.convergence_message}")
    accuracy = judge(classifier, dataset).accuracy
    context.log_metric("accuracy", accuracy)
    context.log(f"accuracy {accuracy:.4f} on {len(dataset.test)} images")
    return TrainedModel(classifier, not fit.convergence_message, cancelled)


def judge(classifier: Any, dataset: Dataset) -> Evaluation:
    """Compare the answers of a classifier of pixels in [0, 1] with the labels of the test images."""
    pixels = dataset.test.images.reshape(len(dataset.test), -1)
    answers = classifier.predict(np.divide(pixels, np.float32(WHITE), dtype=np.float32))
    return evaluate(dataset.test.labels, answers, classes=len(dataset.classes))


def require_classes(dataset: Dataset) -> None:
    """Refuse a data set whose training images all have the same label."""
    labels = np.unique(dataset.train.labels)
    if len(labels) < 2:
        raise DataError(
            f"{dataset.name}: all training images have the label {labels[0]}: there is nothing to tell apart"
        )


def watch(context: RunContext, *, models: int = 1) -> Callback:
    """Return what a solver calls back: it records the loss curve, shows progress, and stops a cancelled run.

    Of several models at once the solver tells of the one with the largest gradient, now this, now that; their
    objectives make no curve.
    """
    recorded = -1

    def after_iteration(progress: Progress) -> bool:
        nonlocal recorded
        if progress.iteration > recorded:  # else it is a sign of life from inside a long pass
            recorded = progress.iteration
            if models == 1:
                context.log_metric("objective", progress.objective, progress.iteration)
            context.log_metric("gradient_norm", progress.gradient_norm, progress.iteration)
            context.log_metric("passes", progress.passes, progress.iteration)
        goal = f"objective {progress.objective:,.1f}" if models == 1 else f"{models} models"
        context.progress(
            f"iteration {progress.iteration}, {goal}, {progress.passes:.1f} passes",
            seconds=progress.seconds,
            seconds_left=progress.seconds_left,
        )
        return context.cancelled

    return after_iteration


def _fold(classifier: Any, fitted_map: Normalization) -> Any:
    """Make a classifier of features one of pixels in [0, 1], in place."""
    parts = getattr(classifier, "estimators_", [classifier])  # one-vs-rest has one part for each class
    for part in parts:
        part.coef_, part.intercept_ = fitted_map.fold(part.coef_, part.intercept_)
    return classifier
