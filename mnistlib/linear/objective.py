"""The penalized log-loss of one or several models, and its derivatives.

All operations on rows are those of shards, which return sums over all rows. So nothing here depends on where the rows
are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.layout import Layout
from mnistlib.linear.sums import Sums

__all__ = ["Objective", "Point", "Shards", "Work", "starting_point"]

# An objective below this share of `C` times the sum of the weights counts as zero.
VANISHED = 1e-24
# Without a penalty, the objective of separable classes falls forever, and counts as zero below this share.
VANISHED_UNPENALIZED = 1e-6
# Share of a class whose weight is zero, and relative error of a value at zero weights in single precision.
LEAST_SHARE = 1e-8
ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class Point:
    """Parameters of one model, (outputs, d + 1), with the objective and the gradient at this point."""

    parameters: Floats
    value: float
    gradient: Floats


@dataclass
class Work:
    """Counter of passes, shared by several objectives."""

    # A pass is a product with all rows and one with all rows transposed, for any number of models. Gram matrices are
    # not counted.
    passes: float = 0.0


class Shards(Protocol):
    """All rows of a fit, in any number of processes. The operations are methods of `Shard`."""

    @property
    def layout(self) -> Layout:
        """The grid of blocks."""

    def total(self, operation: str, *arguments: Any) -> Sums:
        """Return the sums of an operation's results over all blocks."""

    def collect(self, operation: str, *arguments: Any) -> list[Any]:
        """Return the operation's result of each shard, in the order of the rows."""

    def watch(self, on_block: Callable[[float], None] | None) -> None:
        """Call `on_block` after each block of a long operation, with the finished share of the blocks."""


class Objective:
    r"""Half the squared weights plus `C` times the summed log-loss, for one model per value of `C`.

    .. math:: L(W, b) = C \sum_i s_i \, \ell(W x_i + b, y_i) + \tfrac12 \lVert W \rVert^2

    With three classes or more, the loss is that of the softmax with one output per class; with two, that of the
    logistic function of one output, as in scikit-learn. Parameters are float64 arrays of shape (models, outputs, d +
    1), the intercept last; it is not penalized, and zero without `fit_intercept`.

    `C`, of shape (models,), is infinite for no penalty; the losses then count as with 1. `arithmetic` has the library
    and the precision of preconditioners. `class_weight`, of shape (classes,), is the sum of the sample weights of each
    class.
    """

    def __init__(
        self,
        shards: Shards,
        *,
        C: npt.ArrayLike,
        arithmetic: Arithmetic,
        class_weight: Floats,
        fit_intercept: bool = True,
    ) -> None:
        self.shards = shards
        self.layout = shards.layout
        self.arithmetic = arithmetic
        self.class_weight = class_weight
        self.total_weight = float(class_weight.sum())
        self.fit_intercept = fit_intercept
        self.outputs = self.layout.outputs
        self.work = Work()  # shared with the objectives of `only` and `beside`
        self._at: list[Floats | None] = [None]
        self._weigh_losses(np.atleast_1d(np.asarray(C, dtype=np.float64)))

    def _weigh_losses(self, C_values: Floats) -> None:
        self.C_values = C_values
        unpenalized = np.isinf(C_values)
        self.C, self.penalty = np.where(unpenalized, 1.0, C_values), np.where(unpenalized, 0.0, 1.0)
        self._factors = self.C[:, None, None]
        self._penalty_factors = None if self.penalty.all() else self.penalty[:, None, None]
        share = VANISHED if self.penalty.any() else VANISHED_UNPENALIZED
        self._vanished = share * float(self.C.min()) * self.total_weight

    def only(self, models: list[int]) -> Objective:
        """Return the objective of some of the models, over the same rows; both share one counter of passes."""
        if models == list(range(len(self.C))):
            return self
        some = copy(self)
        some._weigh_losses(self.C_values[models])
        return some

    def beside(self, other: Objective) -> Objective:
        """Return this objective, with the counter of passes of another."""
        if self is other:
            return self
        same = copy(self)
        same.work = other.work
        return same

    @property
    def passes(self) -> float:
        """Passes so far, as `Work` counts them."""
        return self.work.passes

    @property
    def at_zero_weights(self) -> Floats:
        """Value of each model at zero weights and the best intercepts for them, (models,)."""
        shares = self.class_weight / self.total_weight
        if not self.fit_intercept:
            shares = np.full_like(shares, 1 / len(shares))
        losses = self.class_weight * np.log(1 / np.maximum(shares, LEAST_SHARE))
        value: Floats = self.C * float(losses.sum()) * (1 + ROUNDING)
        return value

    def scale_of(self, value: float) -> float:
        """Return the reference of relative gains: the objective, but at least a tiny share of the weights.

        The objective vanishes if all weight is on one class, and without a penalty if classes are separable.
        """
        return max(value, self._vanished)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of parameters: (models, outputs, d + 1)."""
        return len(self.C), self.outputs, self.layout.columns + 1

    def balanced(self, parameters: Floats) -> Floats:
        """Return the equivalent parameters with the least penalty, of one model or several.

        Adding the same to all classes changes no probability, so the outputs may sum to zero. This spares the solver a
        direction in which the loss is flat, and makes the intercepts unique.
        """
        balanced = parameters.copy()
        if self.outputs > 1:
            balanced -= np.add.reduce(parameters, axis=-2, keepdims=True) / self.outputs
        if not self.fit_intercept:
            balanced[..., -1] = 0
        return balanced

    def checked(self, sums: Floats) -> Floats:
        """Return sums over rows; raise DataError where they have overflowed."""
        if not np.isfinite(sums).all():
            precision = self.arithmetic.precision
            raise DataError(
                f"The numbers in X, or C times the weights, are too large to compute with in {precision}. Scale X, for "
                "example with sklearn.preprocessing.StandardScaler."
            )
        return sums

    def evaluate(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the value (models,) and the gradient (models, outputs, d + 1) at `parameters`: one pass.

        Later operations are at these parameters.
        """
        self._at[0] = None  # until the end of the pass, which may be interrupted
        sums = self.shards.total("evaluate", *self._for_shards(parameters))
        self._at[0] = parameters
        self.work.passes += 1
        return self._penalized(parameters, sums)

    def is_at(self, parameters: Floats) -> bool:
        """Return whether these are the parameters of the last evaluation, by this objective or by its `only`."""
        at = self._at[0]
        return at is not None and np.array_equal(at, parameters)

    def product(self, direction: Floats) -> Floats:
        """Return the Hessian of a single model times a direction (outputs, d + 1): one pass."""
        (sums,) = self.shards.total("product", *self._for_shards(direction))
        self.work.passes += 1
        sums[:, :-1] *= self.layout.scale
        sums *= self.C[0]
        if self.penalty[0]:
            sums[:, :-1] += direction[:, :-1]
        if not self.fit_intercept:
            sums[:, -1] = 0
        return sums

    def moments(self, model: int, axes: Floats | None = None) -> tuple[Floats, Floats]:
        """Return parts of the diagonal of a model's Hessian, without the penalty: one pass.

        These are the second derivatives by the weights (outputs, d), and the mixed ones by the intercept and each
        parameter (outputs, d + 1). With `axes`, of shape (d, d), the weights are those along its columns.
        """
        squares, sums = map(self.checked, self.shards.total("moments", model, axes))
        self.work.passes += 1
        squares *= self.C[model] * self.layout.scale**2
        sums[:, :-1] *= self.layout.scale
        sums *= self.C[model]
        return squares, sums

    def class_hessians(self) -> Floats:
        """Return the class blocks of a single model's Hessian, (outputs, d + 1, d + 1)."""
        grams = self.checked(self.shards.total("grams", 0)[0])
        grams *= self.C[0]
        if self.layout.scale != 1:
            grams[:, :-1] *= self.layout.scale
            grams[:, :, :-1] *= self.layout.scale
        np.einsum("kdd->kd", grams)[:, :-1] += self.penalty[0]
        if not self.fit_intercept:
            grams[:, -1] = grams[:, :, -1] = 0
            grams[:, -1, -1] = 1
        return grams

    def hessian(self) -> Floats:
        """Return a single model's Hessian, a square matrix with outputs * (d + 1) rows.

        With several outputs it is made positive definite: curvature is added where all intercepts move alike. Its size
        changes no step, since gradients have no component in that direction.
        """
        grams = self.checked(self.shards.total("cross_grams")[0])
        grams *= self.C[0]
        if self.layout.scale != 1:
            grams[:, :-1] *= self.layout.scale
            grams[:, :, :, :-1] *= self.layout.scale
        np.einsum("kdkd->kd", grams)[:, :-1] += self.penalty[0]
        if self.fit_intercept:
            curved = np.einsum("kdkd->kd", grams)[:, -1]
            # In proportion to the curvatures, so that small ones keep their digits: those of classes that are certain
            # in all rows.
            shares = curved / math.sqrt(curved.sum())
            grams[:, -1, :, -1] += np.outer(shares, shares)
        else:
            grams[:, -1] = grams[:, :, :, -1] = 0
            np.einsum("kdkd->kd", grams)[:, -1] = 1
        size = self.outputs * self.shape[2]
        return grams.reshape(size, size)

    def _for_shards(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the weights times the scale, and the intercepts, with the outputs of all models in one axis."""
        stacked = parameters.reshape(-1, parameters.shape[-1])
        return stacked[:, :-1] * self.layout.scale, stacked[:, -1]

    def _penalized(self, parameters: Floats, sums: Sums) -> tuple[Floats, Floats]:
        value, gradient = sums
        if self.layout.scale != 1:
            gradient[:, :, :-1] *= self.layout.scale
        gradient *= self._factors
        weights = parameters[:, :, :-1]
        if self._penalty_factors is not None:
            weights = weights * self._penalty_factors
        gradient[:, :, :-1] += weights
        if not self.fit_intercept:
            gradient[:, :, -1] = 0
        return self.C * value + np.add.reduce(np.vecdot(weights, weights), 1) / 2, gradient


def starting_point(objective: Objective) -> Floats:
    """Return zero weights and the best intercepts for them, (outputs, d + 1).

    At equal odds the curvature of a class of frequency p is overestimated by about 1 / (4 p), which costs Newton's
    method about log(1 / p) extra steps. If there are more columns than rows, the weights can replace intercepts, and
    zero is better.
    """
    start = np.zeros(objective.shape[1:])
    if objective.fit_intercept and objective.layout.columns < objective.layout.rows:
        logits = np.log(np.maximum(objective.class_weight / objective.total_weight, LEAST_SHARE))
        start[:, -1] = logits[1] - logits[0] if objective.outputs == 1 else logits - logits.mean()
    return start
