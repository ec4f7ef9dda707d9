"""Fits by Newton's method and inverse Hessians, for the tests of steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.newton import Newton, NewtonState
from mnistlib.linear.objective import Objective
from tests.linear.conftest import Problem, make_problem

TOL = 1e-6
PROBLEMS = {
    "small, 2 classes": make_problem(300, 5, 2),
    "small, 3 classes": make_problem(300, 5, 3),
    "large, 2 classes": make_problem(300, 80, 2),
    "large, 3 classes": make_problem(300, 30, 3),
}
each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())
each_large_problem = pytest.mark.parametrize(
    "problem", [PROBLEMS["large, 2 classes"], PROBLEMS["large, 3 classes"]], ids=["2 classes", "3 classes"]
)


@dataclass(frozen=True)
class Matrix:
    """An inverse Hessian over all parameters together."""

    inverse: Floats
    rescaled: bool = False

    def solve(self, gradient: Floats) -> Floats:
        solved: Floats = (self.inverse @ gradient.ravel()).reshape(gradient.shape)
        return solved


def newton_of(
    problem: Problem, arithmetic: Arithmetic, state: NewtonState | None = None, *, coarse: bool = False
) -> Newton:
    objective = problem.objective(arithmetic)
    of_products = objective
    if coarse:
        of_products = problem.objective(replace(arithmetic, precision=np.dtype(np.float32)))
    return Newton(objective, state or NewtonState(np.zeros(objective.shape[1:])), tol=TOL, coarse=of_products)


def exact_hessian(objective: Objective, parameters: Floats) -> Floats:
    """Return the Hessian of a single model at a point; for several outputs, along balanced directions."""
    objective.evaluate(parameters[None])
    return objective.class_hessians()[0] if objective.outputs == 1 else objective.hessian()


def run(newton: Newton) -> Newton:
    while not newton.done:
        if newton.last_step_ahead:
            newton.finish()
        else:
            newton.step()
    return newton


def exact_decrement(objective: Objective, parameters: Floats) -> float:
    gradient = objective.evaluate(parameters[None])[1][0].ravel()
    return float(gradient @ np.linalg.solve(exact_hessian(objective, parameters), gradient))
