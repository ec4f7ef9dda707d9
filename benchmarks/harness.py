"""Shared parts of the benchmarks: paired timing, peak memory, and printed results."""

import argparse
import json
import multiprocessing
import os
import platform
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

MIB = 1 << 20


@dataclass(frozen=True)
class Timings:
    """Seconds that each of several functions took, round by round: A B C, A B C, and so on.

    Functions take turns so that other load on the machine affects all of them alike.
    """

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Return the median seconds of one function."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """Return how many times as long `name` takes as `to` does: the median of the ratios round by round."""
        return statistics.median(a / b for a, b in zip(self.seconds[name], self.seconds[to], strict=False))


def time_in_turns(
    functions: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 15,
    most_seconds: float = 10.0,
    before_each: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Time functions in turns, after an untimed call of each; freeing the results is not timed.

    Parameters
    ----------
    functions : mapping of str to callable
        Functions to time, by name.
    rounds : int, default 15
        Number of timed calls of each.
    most_seconds : float, default 10
        A function has no further turns after this total time, so that a slow peer does not delay the benchmark.
    before_each : callable, optional
        Called before each turn, outside the time.
    clock : callable, optional
        Clock in seconds; `time.process_time` for CPU time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, function in functions.items():
            if sum(seconds[name]) > most_seconds:
                continue
            before_each()
            start = clock()
            result = function()
            elapsed = clock() - start
            del result
            # The first round is a warm-up; for a slow function, its time is enough.
            if number or elapsed > most_seconds:
                seconds[name].append(elapsed)
    return Timings(seconds)


def peak_memory(function: Callable[..., object], *arguments: object) -> int:
    """Return the bytes by which `function` raises the peak memory of a fresh process.

    Parameters
    ----------
    function : callable
        Function at the top level of a module, called as ``function(*arguments)``. The import of its module
        does not count; imports inside the function do.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_rise_of_peak, (function, arguments))


def _rise_of_peak(function: Callable[..., object], arguments: tuple[object, ...]) -> int:
    before = _peak()
    function(*arguments)
    return _peak() - before


def _peak() -> int:
    # On Linux a child inherits the peak of getrusage from its parent, but not VmHWM.
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@dataclass(frozen=True)
class Bar:
    """A goal and its measurement."""

    what: str
    goal: str
    measured: str
    met: bool


def times_bar(name: str, measured: float, at_least: float) -> Bar:
    """Return a goal of the kind "at least so many times as fast"."""
    return Bar(name, f"at least {at_least:g} times", f"{measured:.2f} times", measured >= at_least)


def machine() -> dict[str, Any]:
    """Return a description of the machine."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def arguments(description: str) -> argparse.Namespace:
    """Read the command line that all benchmarks have: ``--json``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    return parser.parse_args()


def show(tables: Mapping[str, Sequence[Mapping[str, Any]]], bars: Sequence[Bar], *, as_json: bool) -> None:
    """Print tables by title, the goals, and the machine: for people, or as one JSON object."""
    if as_json:
        print(json.dumps({"machine": machine(), "tables": tables, "bars": [asdict(bar) for bar in bars]}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    for title, rows in tables.items():
        _print_table(title, rows)
    _print_table("Goals", [asdict(bar) | {"met": "yes" if bar.met else "NO"} for bar in bars])


def _print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([_text(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    print(f"\n{title}")
    for line in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
