"""Line search for the Wolfe conditions, as a state machine: the caller evaluates `length` and passes the result."""

from __future__ import annotations

import math
from enum import Enum

import numpy as np

__all__ = ["LineSearch", "Verdict"]

# A step gains at least this share of the gain that the slope at its start predicts (Armijo's condition).
SUFFICIENT_GAIN = 1e-4
MOST_TRIES = 20
GROWTH = 3.0
# A length between two others keeps at least this share of their distance from both.
MARGIN = 0.1
# Largest change of the objective by rounding, in units of the precision.
NOISE = 16
# If a step leaves more of the slope than an exponential fall at this rate, the first length of the next step is LONG.
SLOW_FALL = 0.65
LONG = 2.0

Point = tuple[float, float, float]
"""A length, and the value and the slope there."""


class Verdict(Enum):
    """Outcome of a trial: the step ends, another length follows, or no length is usable."""

    ACCEPTED = 1
    ANOTHER_LENGTH = 2
    NO_STEP = 3


class LineSearch:
    """The search for the length of one step; each length costs an evaluation.

    `value` is the objective at the start, and `slope` its derivative by the length there, which is negative.
    `precision` is the relative rounding error of the objective. A step ends where at most the share `slope_left` of the
    slope is left (the curvature condition). `first` is the first length to try.

    Examples
    --------
    The parabola ``(10 x - 1) ** 2``, where the step of length 1 goes too far:

    >>> search = LineSearch(1.0, -20.0, precision=1e-16, slope_left=0.1)
    >>> while search.tell((10 * search.length - 1) ** 2, 20 * (10 * search.length - 1)) is Verdict.ANOTHER_LENGTH:
    ...     pass
    >>> round(search.length, 6)
    0.1
    """

    def __init__(self, value: float, slope: float, *, precision: float, slope_left: float, first: float = 1.0) -> None:
        self.length = first  # to try next
        self.noise = NOISE * precision * abs(value)  # changes of the objective that may be rounding
        self._value, self._slope, self._slope_left = value, slope, slope_left
        self.tries = 0  # lengths tried so far
        self._near: Point = (0.0, value, slope)
        self._far: Point | None = None

    def tell(self, value: float, slope: float) -> Verdict:
        """Take the objective and its slope at `length`; choose another length if the step does not end there."""
        self.tries += 1
        finite = bool(np.isfinite(value) and np.isfinite(slope))
        gains = finite and value <= self._value + SUFFICIENT_GAIN * self.length * self._slope + self.noise
        if gains and (abs(slope) <= self._slope_left * abs(self._slope) or self._enough(value)):
            return Verdict.ACCEPTED
        if self.tries >= MOST_TRIES:
            return Verdict.NO_STEP
        if gains and slope < 0:
            self._near = self.length, value, slope
        else:
            self._far = self.length, value if finite else np.inf, slope
        self.length = GROWTH * self.length if self._far is None else _between(self._near, self._far)
        return Verdict.ANOTHER_LENGTH

    def next_first_length(self, slope: float) -> float:
        """Return the first length to try in the next step, if this one has ended with this slope.

        The loss of classes that are far apart falls exponentially, and a step leaves much of the slope. So does the
        next step, unless it is longer. A step whose first length was too long is no evidence for this.
        """
        left = math.exp(-SLOW_FALL * min(self.length, GROWTH))
        return LONG if self._far is None and slope < left * self._slope else 1.0

    def _enough(self, value: float) -> bool:
        """Return whether further tries would only measure rounding, or are too many."""
        return self.tries >= MOST_TRIES or (self.tries > 1 and abs(value - self._value) <= self.noise)


def _between(near: Point, far: Point) -> float:
    """Return the length at the minimum of the cubic through two points (Nocedal and Wright, equation 3.59)."""
    (a, value_a, slope_a), (b, value_b, slope_b) = near, far
    least, most = sorted((a + MARGIN * (b - a), b - MARGIN * (b - a)))
    mean = slope_a + slope_b - 3 * (value_a - value_b) / (a - b)
    root = np.sqrt(max(0.0, mean * mean - slope_a * slope_b)) * np.sign(b - a)
    bottom = slope_b - slope_a + 2 * root
    length = b - (b - a) * (slope_b + root - mean) / bottom if bottom else np.nan
    return float(np.clip(length, least, most)) if np.isfinite(length) else least
