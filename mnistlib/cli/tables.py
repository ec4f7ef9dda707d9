"""Tables that fit the terminal, facts, and the cells of both."""

import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_GAP = "  "
_LEAST = 3  # columns that a cell keeps however narrow the terminal is


def format_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Lay out cells in columns, the widest but the first cut until a line fits.

    Parameters
    ----------
    titles : sequence of str
        The first line; a title that begins with ``>`` has its column set to the right.
    rows : sequence of sequence of str
        The other lines.
    width : int, optional
        Columns of the terminal; by default those of this one.

    Returns
    -------
    str
        Lines that end in a newline.

    Examples
    --------
    >>> print(format_table(["run", ">accuracy"], [["a1", "0.92"]], width=40), end="")
    run  accuracy
    a1       0.92
    """
    to_the_right = [title.startswith(">") for title in titles]
    # What a terminal would obey rather than show must not get there.
    plain = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
    lines = [[title.removeprefix(">") for title in titles], *plain]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    room = _room() if width is None else width
    while sum(widths) + len(_GAP) * (len(widths) - 1) > room and max(widths) > _LEAST:
        widest = max(range(1, len(widths)), key=lambda column: widths[column], default=0)
        # The first column names the row, and a part of a name is of little use: it is cut last.
        widths[widest if widths[widest] > _LEAST else 0] -= 1
    return "".join(_line(line, widths, to_the_right) for line in lines)


def facts_table(facts: Mapping[str, Any], *, width: int = 0) -> list[str]:
    """Lay out what is known of one thing, a fact a line, the names at least `width` wide; empty facts are left out.

    Examples
    --------
    >>> facts_table({"run": "a1", "sweep": "", "accuracy": "0.92"})
    ['run       a1', 'accuracy  0.92']
    """
    width = max([width, *map(len, facts)])
    return [f"{name:<{width}}{_GAP}{value}" for name, value in facts.items() if value]


def metric_cell(metrics: Mapping[str, float], name: str) -> str:
    """Return the cell of a metric, empty where there is none of that name."""
    value = metrics.get(name)
    if value is None:
        return ""
    whole = math.isfinite(value) and value == int(value) and "accuracy" not in name
    return f"{value:.4g}" if whole or abs(value) >= 1000 else f"{value:.4f}"


def _room() -> int:
    """Return the columns of the terminal; of a pipe or a file, into which whole cells go, as many as there may be."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else sys.maxsize


def _line(cells: Sequence[str], widths: Sequence[int], to_the_right: Sequence[bool]) -> str:
    parts = []
    for cell, width, right in zip(cells, widths, to_the_right, strict=True):
        text = cell if len(cell) <= width else cell[: width - 1] + "…"
        parts.append(text.rjust(width) if right else text.ljust(width))
    return _GAP.join(parts).rstrip() + "\n"
