"""What a fit tells while it runs, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mnistlib.linear.arithmetic import Floats

__all__ = ["Callback", "Progress", "Solution"]


@dataclass(frozen=True)
class Progress:
    """How far a fit has come.

    Attributes
    ----------
    iteration : int
        Steps completed.
    passes : float
        Passes over all rows so far.
    objective : float
        The objective; of several models, that of the one with the largest gradient.
    gradient_norm : float
        What is compared with the tolerance; of several models, the largest.
    seconds : float
        Time since the start.
    seconds_left : float or None
        An estimate of the time to convergence, from how fast the gradient has fallen; None where there is none yet.
    """

    iteration: int
    passes: float
    objective: float
    gradient_norm: float
    seconds: float
    seconds_left: float | None


Callback = Callable[[Progress], object]
"""Is called after each iteration, and twice a second inside long passes; returning True ends the fit."""


@dataclass(frozen=True)
class Solution:
    """A fitted model.

    Attributes
    ----------
    weights : float64 array of shape (outputs, d)
        One output for two classes, otherwise one for each class.
    intercept : float64 array of shape (outputs,)
        Zeros without intercept.
    objective : float
        The objective there.
    gradient_norm : float
        The larger of two measures of the gradient, neither of which depends on the number of rows. One is
        scikit-learn's: the largest derivative of the objective, by size, divided by `C` times the sum of the sample
        weights. The other is a tenth of what a Newton step would gain, estimated, as a share of the objective:
        without it a preconditioned method could stop where every derivative is small and much is left to gain.
    passes : float
        Passes over the rows until this model was done.
    iterations : int
        Steps taken over all rows.
    converged : bool
        Whether `gradient_norm` is at most the tolerance.
    cancelled : bool
        Whether the callback ended the fit.
    """

    weights: Floats
    intercept: Floats
    objective: float
    gradient_norm: float
    passes: float
    iterations: int
    converged: bool
    cancelled: bool
