"""The grid of row blocks of a fit, and the decisions that depend on its size."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHEAP_NUMBERS", "Layout"]

# No rows are drawn from data of up to this many numbers; nor from larger data, if a Hessian costs at most so many
# products and all rows have at most so many outputs.
CHEAP_NUMBERS = 10_000_000
CHEAP_HESSIAN = 20
CHEAP_OUTPUTS = 20_000_000
# Time per column of the Hessian's class blocks, in products with the Hessian: with one output, and with several.
COLUMN_COST = 0.08, 0.2


@dataclass(frozen=True)
class Layout:
    """Facts that all shards of one fit share."""

    rows: int  # rows and columns of the whole X
    columns: int
    classes: int  # at least 2
    block_rows: int  # in each block but the last
    scale: float = 1.0  # factor of every number in X, such as 1/255 for bytes
    of_bytes: bool = False  # whether X holds unsigned bytes
    # The sum of the sample weights if all are small whole numbers, otherwise the number of those above zero; None for
    # all rows. So a row of weight 2 counts as two rows, and a row of weight 0 as none.
    counted: float | None = None
    mean_weight: float = 1.0  # mean sample weight of the rows that count

    @property
    def population(self) -> float:
        """Number of rows that count."""
        return self.rows if self.counted is None else self.counted

    @property
    def cheap(self) -> bool:
        """Whether each step may read all rows: they are few, or have so few columns that Hessians are cheap.

        Rows count as in `population`, so weights in place of repeated rows do not change the result.
        """
        if self.population * self.columns <= CHEAP_NUMBERS:
            return True
        return self.hessian_cost <= CHEAP_HESSIAN and self.rows * self.outputs <= CHEAP_OUTPUTS

    @property
    def hessian_cost(self) -> float:
        """Time of the Hessian's class blocks, in products with the Hessian."""
        return COLUMN_COST[self.outputs > 1] * (self.columns + 1)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.rows // self.block_rows)

    @property
    def outputs(self) -> int:
        """Outputs of a model: one for two classes, otherwise one for each class."""
        return 1 if self.classes == 2 else self.classes
