"""Fits of the sweep's problems, measured against the reference; `python -m tests.linear.sweep` prints a table.

Each fit and each measurement is made once in a process, however many tests ask for it.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.metrics import roc_auc_score

from mnistlib import LogisticRegression
from tests.linear.problems import LARGE, SMALL, Case, Sample
from tests.linear.reference import Optimum, find_optimum, penalized_loss

__all__ = ["MAX_ITER", "Fit", "Outcome", "excess_over_lbfgs", "fit", "measure"]

Floats = npt.NDArray[np.float64]

MAX_ITER = 100
# The guarantees of a fit with converged_, and rounding in the comparison of two solvers.
DISTANCE = 1e-4
SCORE = 0.005
ROUNDING = 1e-9
# A loss this small, per unit of weight, is rounding to one part in a million.
LOSS_PRECISION = 1e-9
# Rounding may change the predicted class of rows whose two highest scores at the optimum are this close.
TIE = 1e-9


@dataclass(frozen=True)
class Fit:
    """A fit of a case, all settings but `C` and `max_iter` at their defaults; CPU time in seconds."""

    coef: Floats
    intercept: Floats
    converged: bool
    iterations: int
    objective: float
    rarest: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """A fit beside the optimum.

    Attributes
    ----------
    distance : float
        How far the objective is above the optimum, as a share of it.
    score, best_score : float
        The AUC for two classes, otherwise the accuracy, of the fit and of the optimum, on the weighted training rows.
    misreported : float
        The difference between `objective_` and the objective of the coefficients, as a share of it; or of what rounding
        allows where the classes are so well separated that the losses of all rows round to nearly nothing.
    """

    case: Case
    fit: Fit
    distance: float
    score: float
    best_score: float
    misreported: float

    @property
    def faults(self) -> list[str]:
        """Broken guarantees of a fit that has converged."""
        faults = []
        if self.fit.converged and not self.distance <= DISTANCE:
            faults.append("objective")
        if self.fit.converged and not abs(self.score - self.best_score) <= SCORE:
            faults.append("score")
        return faults

    def __str__(self) -> str:
        return (
            f"{self.case}: {self.fit.iterations} iterations, {'' if self.fit.converged else 'NOT '}converged, "
            f"{self.distance:.1e} above the optimum, score {self.score:.4f} against {self.best_score:.4f}"
        )


@cache
def fit(case: Case, max_iter: int = MAX_ITER) -> Fit:
    return _fit(case, case.make(), max_iter)


def _fit(case: Case, sample: Sample, max_iter: int) -> Fit:
    model = LogisticRegression(C=case.C, max_iter=max_iter)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(sample.X, sample.y, sample.weights)
    return Fit(
        coef=model.coef_.astype(np.float64),
        intercept=model.intercept_.astype(np.float64),
        converged=bool(model.converged_),
        iterations=int(model.n_iter_[0]),
        objective=float(model.objective_),
        rarest=sample.rarest,
        seconds=time.process_time() - began,
    )


@cache
def measure(case: Case, max_iter: int = MAX_ITER) -> Outcome:
    sample = case.make()
    found = fit(case, max_iter)
    best = find_optimum(sample.X, sample.y, C=case.C, weights=sample.weights)
    objective = _loss(case, sample, found.coef, found.intercept)
    weight = float(len(sample.y) if sample.weights is None else sample.weights.sum())
    distance = objective / best.objective - 1
    if distance < -ROUNDING:
        raise ArithmeticError(f"{case}: the fit is {-distance:.1e} below the reference, which is no optimum")
    return Outcome(
        case=case,
        fit=found,
        distance=distance,
        score=_score(sample, found.coef, found.intercept, best),
        best_score=_score(sample, best.coef, best.intercept, best),
        misreported=abs(found.objective - objective) / max(objective, LOSS_PRECISION * case.C * weight),
    )


def excess_over_lbfgs(case: Case) -> float:
    """Return how far the objective is above that of scikit-learn's lbfgs after as many iterations, as a share of it."""
    sample, found = case.make(), fit(case)
    peer = Peer(C=case.C, solver="lbfgs", tol=1e-14, max_iter=found.iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(sample.X, sample.y, sample.weights)
    ours = _loss(case, sample, found.coef, found.intercept)
    return ours / _loss(case, sample, peer.coef_, peer.intercept_) - 1


def _loss(case: Case, sample: Sample, coef: Floats, intercept: Floats) -> float:
    return penalized_loss(sample.X, sample.y, coef=coef, intercept=intercept, C=case.C, weights=sample.weights)


def _score(sample: Sample, coef: Floats, intercept: Floats, best: Optimum) -> float:
    # Without the intercept, which changes no rank, scores that differ by little keep their digits.
    scores = (sample.X - sample.X.mean(axis=0)) @ coef.T
    if sample.classes == 2:
        return float(roc_auc_score(sample.y, scores[:, 0], sample_weight=sample.weights))
    predicted = (sample.X @ coef.T + intercept).argmax(axis=1)
    highest = np.partition(best.scores, -2, axis=1)[:, -2:]
    counted = (highest[:, 1] - highest[:, 0] > TIE).astype(np.float64)
    if sample.weights is not None:
        counted *= sample.weights
    # Where all rows are ties, no prediction is wrong.
    return float(np.average(predicted == sample.y, weights=counted)) if counted.any() else 1.0


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Sweep the solver over problems; print those that break a guarantee.")
    parser.add_argument("text", nargs="?", default="", help="only cases with this text in their identifier")
    parser.add_argument("--large", action="store_true", help="the large cases instead of the small ones")
    parser.add_argument("--all", action="store_true", help="print every case")
    options = parser.parse_args(arguments)
    cases = [case for case in (LARGE if options.large else SMALL) if options.text in str(case)]
    counts = dict.fromkeys(["objective", "score", "worse than lbfgs", "not converged"], 0)
    fair = [case for case in cases if fit(case).rarest > 1]
    for case in cases:
        outcome = measure(case)
        faults = outcome.faults
        if not outcome.fit.converged:
            counts["not converged"] += fit(case).rarest > 1
            excess = excess_over_lbfgs(case)
            if excess > ROUNDING:
                faults.append("worse than lbfgs")
        for fault in faults:
            counts[fault] += 1
        if faults or options.all:
            sys.stdout.write(f"{outcome}, {outcome.fit.seconds:.3f} s{': ' if faults else ''}{', '.join(faults)}\n")
            sys.stdout.flush()
    seconds = sum(fit(case).seconds for case in cases)
    sys.stdout.write(
        f"{len(cases)} cases, {seconds:.1f} s of fits; {counts}, of {len(fair)} with two rows in each class\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
