"""The grid of blocks of a fit, and what its size decides."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHEAP_NUMBERS", "Layout"]

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
