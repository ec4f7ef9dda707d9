"""The grid of blocks of a fit, and rows that are taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.draws import Keys

__all__ = ["CHEAP_NUMBERS", "Drawn", "Layout", "Taken"]

# Up to so many numbers, nothing is drawn; nor in more of them, if a Hessian costs few products and the outputs are few.
CHEAP_NUMBERS = 10_000_000
CHEAP_HESSIAN = 20
CHEAP_OUTPUTS = 20_000_000
# The time of a column of the Hessian's class blocks, in products with it: with one output, and with several.
COLUMN_COST = 0.08, 0.2


@dataclass(frozen=True)
class Layout:
    """The facts that all shards of one fit share.

    Parameters
    ----------
    rows, columns : int
        The shape of X as a whole.
    classes : int
        The number of classes; at least 2.
    block_rows : int
        The rows of each block but the last.
    scale : float
        The factor of every number in X, such as 1/255 for bytes.
    of_bytes : bool
        Whether X holds unsigned bytes.
    counted : float or None
        The rows that count: the sum of the sample weights where all are small whole numbers, otherwise the number of
        those above zero; None for all rows. So a weight of 2 counts as two rows, and a weight of 0 as none.
    mean_weight : float
        The mean sample weight of the rows that count.
    """

    rows: int
    columns: int
    classes: int
    block_rows: int
    scale: float = 1.0
    of_bytes: bool = False
    counted: float | None = None
    mean_weight: float = 1.0

    @property
    def population(self) -> float:
        """The rows that count."""
        return self.rows if self.counted is None else self.counted

    @property
    def cheap(self) -> bool:
        """Whether all rows can be read for everything: they are few, or have so few columns that Hessians are cheap.

        Rows count as in `population`, so that weights in place of repeated rows do not change the answer.
        """
        if self.population * self.columns <= CHEAP_NUMBERS:
            return True
        return self.hessian_cost <= CHEAP_HESSIAN and self.rows * self.outputs <= CHEAP_OUTPUTS

    @property
    def hessian_cost(self) -> float:
        """The time that the Hessian's class blocks take, in products with the Hessian."""
        return COLUMN_COST[self.outputs > 1] * (self.columns + 1)

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return -(-self.rows // self.block_rows)

    @property
    def outputs(self) -> int:
        """The outputs of a model: one for two classes, otherwise one for each class."""
        return 1 if self.classes == 2 else self.classes


@dataclass(frozen=True)
class Drawn:
    """Rows drawn from one block, in the order of the rows.

    Attributes
    ----------
    rows : array of shape (m, d)
        The rows that any output has drawn.
    places : list of arrays, one for each output
        Which of `rows` the output has drawn.
    weights : list of arrays, one for each output
        Their weights in its Gram matrix.
    """

    rows: npt.NDArray[Any]
    places: list[npt.NDArray[np.intp]]
    weights: list[Floats]


@dataclass(frozen=True)
class Taken:
    """Some rows with all that belongs to them: arrays of shape (m, d) and (m,); `weights` is None for 1."""

    rows: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None
    keys: Keys

    @classmethod
    def joined(cls, parts: Sequence[Taken]) -> Taken:
        """Return the rows of all parts."""
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate(weights) if weights else None,
            np.concatenate([part.keys for part in parts]),
        )
