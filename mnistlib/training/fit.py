"""Training and scoring of one model; without side effects except for messages and metrics to the run context."""

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
    """Result of training."""

    classifier: Any  # plain estimator for pixels in [0, 1], independent of the normalization in training
    converged: bool  # whether the solver reached its tolerance
    cancelled: bool  # whether a request to cancel stopped the fit early; the classifier is the best so far


def train(
    dataset: Dataset, *, normalization: str, solver: str, options: SolverOptions, context: RunContext
) -> TrainedModel:
    """Fit a logistic regression to a data set's training images and score it on the test images.

    Parameters
    ----------
    dataset : Dataset
        Training and test images.
    normalization : str
        One of :data:`mnistlib.training.options.NORMALIZATIONS`.
    solver : str
        One of :data:`mnistlib.training.solvers.SOLVERS`.
    options : SolverOptions
        Options of the solver.
    context : RunContext
        Receives the metrics ``accuracy`` (on the test images), ``iterations``, ``converged`` (1 or 0) and
        ``fit_seconds``; from the package's own solver also ``objective``, ``gradient_norm`` and ``passes`` after every
        iteration. Its ``cancelled`` is checked after every iteration.

    Returns
    -------
    TrainedModel
        The classifier, and whether its fit converged or was cancelled.

    Raises
    ------
    DataError
        If all training images have the same label.
    """
    require_classes(dataset)
    context.log(f"fitting {len(dataset.train)} images, solver {solver}, regularization {options.regularization:g}")
    importlib.import_module("sklearn.linear_model")  # the first import takes time, which must not count as the fit's
    started = perf_counter()
    fitted_map = fit_normalization(normalization, dataset.train.images)
    fit = SOLVERS[solver](dataset.train, fitted_map, options, watch(context))
    context.log_metric("fit_seconds", round(perf_counter() - started, 3))
    return score(fit, fitted_map, dataset, context, cancelled=context.cancelled)


def score(
    fit: Fit, fitted_map: Normalization, dataset: Dataset, context: RunContext, *, cancelled: bool
) -> TrainedModel:
    """Convert a fit into a model of pixels, score it on the test images, and log the metrics."""
    classifier = _fold(fit.classifier, fitted_map)
    context.log_metric("iterations", fit.iterations)
    context.log_metric("converged", not fit.convergence_message)
    for warning in fit.warnings:
        context.log(f"solver warning: {warning}")
    if cancelled:
        context.log("CANCELLED: the best model so far is kept")
    elif fit.convergence_message:
        context.log(f"NOT CONVERGED: {fit.convergence_message}")
    accuracy = judge(classifier, dataset).accuracy
    context.log_metric("accuracy", accuracy)
    context.log(f"accuracy {accuracy:.4f} on {len(dataset.test)} images")
    return TrainedModel(classifier, not fit.convergence_message, cancelled)


def judge(classifier: Any, dataset: Dataset) -> Evaluation:
    """Evaluate a classifier of pixels in [0, 1] on the test images."""
    pixels = dataset.test.images.reshape(len(dataset.test), -1)
    answers = classifier.predict(np.divide(pixels, np.float32(WHITE), dtype=np.float32))
    return evaluate(dataset.test.labels, answers, classes=len(dataset.classes))


def require_classes(dataset: Dataset) -> None:
    """Refuse a data set whose training images all have the same label."""
    labels = np.unique(dataset.train.labels)
    if len(labels) < 2:
        raise DataError(
            f"{dataset.name}: all training images have the label {labels[0]}; expected at least two different labels"
        )


def watch(context: RunContext, *, models: int = 1) -> Callback:
    """Return the solver's callback, which records the loss curve, shows progress, and stops a cancelled run.

    For several models at once, the solver reports the one with the largest gradient. This model changes, so the
    objective is not recorded.
    """
    recorded = -1

    def after_iteration(progress: Progress) -> bool:
        nonlocal recorded
        if progress.iteration > recorded:  # a solver also calls back within a long pass
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
    """Convert a classifier of features to one of pixels in [0, 1], in place."""
    parts = getattr(classifier, "estimators_", [classifier])  # one-vs-rest has one part for each class
    for part in parts:
        part.coef_, part.intercept_ = fitted_map.fold(part.coef_, part.intercept_)
    return classifier
