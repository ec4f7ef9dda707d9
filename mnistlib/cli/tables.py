"""Text tables that fit the terminal, and their cells."""

import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_GAP = "  "
_MIN_WIDTH = 3  # minimum width of a cell, in columns, on a narrow terminal


def format_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Lay out cells in columns; the widest columns, except the first, are truncated to fit the width.

    Parameters
    ----------
    titles : sequence of str
        Titles of the columns; ``>`` at the beginning aligns a column to the right.
    rows : sequence of sequence of str
        Rows of cells.
    width : int, optional
        Maximum width of a line; by default that of the terminal.

    Returns
    -------
    str
        Lines, each ending in a newline.

    Examples
    --------
    >>> print(format_table(["run", ">accuracy"], [["a1", "0.92"]], width=40), end="")
    run  accuracy
    a1       0.92
    """
    to_the_right = [title.startswith(">") for title in titles]
    # Replace control characters, which a terminal would interpret.
    plain = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
    lines = [[title.removeprefix(">") for title in titles], *plain]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    limit = _terminal_width() if width is None else width
    while sum(widths) + len(_GAP) * (len(widths) - 1) > limit and max(widths) > _MIN_WIDTH:
        widest = max(range(1, len(widths)), key=lambda column: widths[column], default=0)
        # The first column identifies the row, so it is truncated last.
        widths[widest if widths[widest] > _MIN_WIDTH else 0] -= 1
    return "".join(_line(line, widths, to_the_right) for line in lines)


def facts_table(facts: Mapping[str, Any], *, width: int = 0) -> list[str]:
    """Lay out names and values, one pair a line, with names at least `width` wide; empty values are omitted.

    Examples
    --------
    >>> facts_table({"run": "a1", "sweep": "", "accuracy": "0.92"})
    ['run       a1', 'accuracy  0.92']
    """
    width = max([width, *map(len, facts)])
    return [f"{name:<{width}}{_GAP}{value}" for name, value in facts.items() if value]


def metric_cell(metrics: Mapping[str, float], name: str) -> str:
    """Return the cell of a metric; empty if the metric is missing."""
    value = metrics.get(name)
    if value is None:
        return ""
    whole = math.isfinite(value) and value == int(value) and "accuracy" not in name
    return f"{value:.4g}" if whole or abs(value) >= 1000 else f"{value:.4f}"


def _terminal_width() -> int:
    """Return the width of the terminal; unlimited for a pipe or a file, so that cells are not truncated."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else sys.maxsize


def _line(cells: Sequence[str], widths: Sequence[int], to_the_right: Sequence[bool]) -> str:
    parts = []
    for cell, width, right in zip(cells, widths, to_the_right, strict=True):
        text = cell if len(cell) <= width else cell[: width - 1] + "…"
        parts.append(text.rjust(width) if right else text.ljust(width))
    return _GAP.join(parts).rstrip() + "\n"
