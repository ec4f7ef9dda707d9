"""The quasi-Newton direction of one model, and the step along the directions of all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.objective import Logits, Objective

__all__ = ["History", "search"]

MEMORY = 20
# A step is taken where the slope has fallen to a quarter. Each try costs exponentials only, a pass costs much more.
SLOPE_LEFT = 0.25
MOST_TRIES = 30
LARGEST_GROWTH = 10.0


@dataclass
class History:
    """The last steps of one model and the changes of the gradient over them.

    The two-loop recursion of limited-memory BFGS (Nocedal and Wright, *Numerical Optimization*, algorithm 7.4), with a
    preconditioner for the first approximation of the inverse Hessian.
    """

    pairs: deque[tuple[Floats, Floats, float]] = field(default_factory=lambda: deque(maxlen=MEMORY))

    def add(self, step: Floats, change: Floats) -> None:
        """Remember a step and the change of the gradient, unless rounding has hidden that it curves upwards."""
        curvature = float(np.vdot(step, change))
        if curvature > 0:
            self.pairs.append((step, change, curvature))

    def direction(self, gradient: Floats, solve: Callable[[Floats], Floats]) -> Floats:
        """Return minus the approximate inverse Hessian times `gradient`."""
        rest = gradient
        shares = []
        for step, change, curvature in reversed(self.pairs):
            share = float(np.vdot(step, rest)) / curvature
            rest = rest - share * change
            shares.append(share)
        result = solve(rest)
        for (step, change, curvature), share in zip(self.pairs, reversed(shares), strict=True):
            result = result + (share - float(np.vdot(change, result)) / curvature) * step
        return -result


def search(
    objective: Objective, *, start: Floats, direction: Floats, slope: Floats, state: Logits, change: Logits
) -> tuple[Floats, Floats]:
    """Return, for each model, a step along its direction to nearly the minimum there, and the objective at it.

    Newton's method on the derivative by the step, kept between steps that are known to be too short and too long.
    The outputs are linear in the step, so this costs no pass.

    Parameters
    ----------
    objective : Objective
        What to minimize.
    start, direction : array of shape (models, outputs, d + 1)
        Parameters, and a descent direction for each model.
    slope : array of shape (models,)
        The derivatives at `start`: negative.
    state, change : Logits
        The outputs of `start` and `direction`.
    """
    steps = np.ones(len(slope))
    short, long = np.zeros_like(steps), np.full_like(steps, np.inf)
    value = np.empty_like(steps)
    left = np.arange(len(steps))
    for last in [False] * (MOST_TRIES - 1) + [True]:
        here = objective.along(left, start=start, direction=direction, steps=steps, state=state, change=change)
        value[left] = here.value
        long[left] = np.where(here.slope > 0, steps[left], long[left])
        short[left] = np.where(here.slope < 0, steps[left], short[left])
        missed = np.abs(here.slope) > SLOPE_LEFT * np.abs(slope[left])
        if last or not missed.any():
            break
        newton = steps[left] - here.slope / np.maximum(here.curvature, np.finfo(float).tiny)
        left, newton = left[missed], newton[missed]
        farthest = np.minimum(long[left], LARGEST_GROWTH * steps[left])
        between = np.where(np.isinf(long[left]), farthest, (short[left] + long[left]) / 2)
        steps[left] = np.where((newton > short[left]) & (newton < farthest), newton, between)
    return steps, value
