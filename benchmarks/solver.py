"""The solver compared with its peers, on the same rows in one run: ``python -m benchmarks.solver``.

Peers that take minutes run once, the solver several times; its times are medians. All bars but ``everywhere`` and
``probes`` need $MNISTLIB_DATA.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.metrics import log_loss
from sklearn.multiclass import OneVsRestClassifier

from benchmarks._solver_data import Problem, enlarged, mnist, problems
from benchmarks._solver_line import Line
from benchmarks.everywhere import bar_everywhere
from benchmarks.probes import bar_probes
from mnistlib.linear import LogisticRegression, Progress, regularization_path
from mnistlib.linear.blas import thread_count

C_VALUES = [0.002, 0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0]
MEGABYTE = 1e6


def timed(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Return the median time in seconds, and the last result."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), result


def objective(model: Any, X: Any, y: Any, C: float) -> float:
    """Return the objective of a model, from probabilities in float64."""
    plain = Peer().set_params(C=C)
    plain.classes_, plain.coef_, plain.intercept_ = model.classes_, *map(np.float64, (model.coef_, model.intercept_))
    loss = log_loss(y, plain.predict_proba(X), normalize=False)
    return float(C * loss + (plain.coef_**2).sum() / 2)


def ours(problem: Problem, **parameters: Any) -> LogisticRegression:
    """Fit mnistlib's solver to the unconverted rows."""
    return LogisticRegression(C=problem.C, pixel_scale=problem.scale, **parameters).fit(problem.X, problem.y)


def digits(*, quick: bool) -> Problem:
    """Return the 60,000 training digits, or 6,000 of them."""
    X, y = mnist("train")
    return Problem("digits", X[:6000], y[:6000], 2.0) if quick else Problem("digits", X, y, 2.0)


def bar_lbfgs(*, quick: bool, **_: Any) -> list[Line]:
    """Measure bars 1 and 5: time to the objective of lbfgs in float32, and the number of passes."""
    problem = digits(quick=quick)
    X = problem.floats(np.float32)
    peer_seconds, peer = timed(lambda: Peer(C=problem.C, max_iter=1000).fit(X, problem.y))
    seconds, model = timed(lambda: ours(problem), 5)
    target, reached = objective(peer, X, problem.y, problem.C), objective(model, X, problem.y, problem.C)
    ratio = peer_seconds / seconds
    return [
        Line("1", f"lbfgs float32: {peer_seconds:.1f} s to {target:.1f}, {peer.n_iter_[0]} iterations", "", None),
        Line("1", "at least 12 times faster, objective no higher", f"{seconds:.2f} s to {reached:.1f}: {ratio:.1f}x",
             ratio >= 12 and reached <= target),
        Line("5", "at most 30 passes", f"{model.n_passes_:.1f}", model.n_passes_ <= 30),
    ]  # fmt: skip


def bar_liblinear(*, quick: bool, **_: Any) -> list[Line]:
    """Measure bar 2: the tutorial's fit."""
    problem = digits(quick=quick)
    X = problem.floats(np.float64)
    peer = OneVsRestClassifier(Peer(C=problem.C, solver="liblinear", random_state=42))
    peer_seconds, peer = timed(lambda: peer.fit(X, problem.y))
    seconds, model = timed(lambda: ours(problem), 5)
    T, t = mnist("t10k")
    theirs, accuracy = peer.score(T / 255, t), model.score(T, t)
    ratio = peer_seconds / seconds
    return [
        Line("2", f"liblinear one-vs-rest: {peer_seconds:.1f} s, test accuracy {theirs:.4f}", "", None),
        Line("2", "at least 25 times faster, accuracy higher and at least 0.925",
             f"{seconds:.2f} s: {ratio:.1f}x, accuracy {accuracy:.4f}",
             ratio >= 25 and accuracy > theirs and accuracy >= 0.925),
    ]  # fmt: skip


# Script for peers in another Python.
IN_ANOTHER_PYTHON = """
import sys, time, numpy as np
{imports}
data = np.load(sys.argv[1])
X, y = data["X"], data["y"]
began = time.perf_counter()
model = {model}.fit(X, y)
seconds = time.perf_counter() - began
np.savez(sys.argv[2], seconds=seconds, coef={coef}, intercept=np.ravel(model.intercept_))
"""
INTELEX = IN_ANOTHER_PYTHON.format(
    imports="from sklearnex.linear_model import LogisticRegression",
    model="LogisticRegression(C=2.0, max_iter=1000)",
    coef="model.coef_",
)
# Cyanure's objective is the mean loss plus lambda_1 / 2 times the squared weights; its tol limits the relative duality
# gap. It uses as many threads as the solver.
CYANURE = {
    tol: IN_ANOTHER_PYTHON.format(
        imports="from cyanure.estimators import Classifier",
        model="Classifier(loss='multiclass-logistic', penalty='l2', lambda_1=0.5 / len(y), "
        f"tol={tol}, max_iter=500, n_threads={thread_count(None)}, verbose=False)",
        coef="model.coef_.T",
    )
    for tol in (1e-3, 1e-4)
}


def bar_intelex(*, quick: bool, intelex: str, **_: Any) -> Iterator[Line]:
    """Measure bar 3: time to the objective of scikit-learn-intelex."""
    if not importable(intelex, "sklearnex"):
        yield Line("3", "scikit-learn-intelex is not installed: pass a Python that has it as --intelex", "", None)
        return
    yield from beside_another_python(intelex, INTELEX, "scikit-learn-intelex lbfgs float32", digits(quick=quick))


def bar_cyanure(*, quick: bool, cyanure: str, **_: Any) -> Iterator[Line]:
    """Measure bar 3: time to the objective of Cyanure, with two tolerances."""
    if not importable(cyanure, "cyanure"):
        yield Line("3", "Cyanure is not installed: pass a Python that has it as --cyanure", "", None)
        return
    for tol, script in CYANURE.items():
        yield from beside_another_python(cyanure, script, f"Cyanure float32, tol={tol:g}", digits(quick=quick))


def importable(python: str, module: str) -> bool:
    """Return whether another Python has a module."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def beside_another_python(python: str, script: str, name: str, problem: Problem) -> list[Line]:
    """Compare the time to the objective of a fit in another Python."""
    X = problem.floats(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        rows, found = Path(folder, "rows.npz"), Path(folder, "found.npz")
        np.savez(rows, X=X, y=problem.y)
        subprocess.run([python, "-c", script, rows, found], capture_output=True, check=True)
        result = np.load(found)
        peer_seconds = float(result["seconds"])
        peer = Peer()
        peer.classes_, peer.coef_, peer.intercept_ = np.unique(problem.y), result["coef"], result["intercept"]
    target = objective(peer, X, problem.y, problem.C)
    seconds, model = timed(lambda: until(problem, target), 3)
    ratio = peer_seconds / seconds
    return [
        Line("3", f"{name}: {peer_seconds:.1f} s to {target:.1f}", "", None),
        Line("3", "at least 3 times faster to the same objective",
             f"{seconds:.2f} s to {model.objective_:.1f} in {model.n_passes_:.0f} passes: {ratio:.1f}x",
             ratio >= 3 and model.objective_ <= target),
    ]  # fmt: skip


def until(problem: Problem, target: float, **parameters: Any) -> LogisticRegression:
    """Fit until an objective is reached."""

    def reached(progress: Progress) -> bool:
        return progress.objective <= target

    return ours(problem, tol=1e-12, max_iter=2000, callback=reached, **parameters)


def bar_optimum(*, quick: bool, **_: Any) -> list[Line]:
    """Measure bar 4: time to within a millionth of the optimum."""
    problem = digits(quick=quick)
    X = problem.floats(np.float64)
    best = LogisticRegression(C=problem.C, tol=1e-9, max_iter=3000).fit(X, problem.y).objective_
    seconds, model = timed(lambda: until(problem, best * (1 + 1e-6)), 3)
    gap = objective(model, X, problem.y, problem.C) / best - 1
    lines = [
        Line("4", f"the optimum is {best:.3f}", f"{seconds:.2f} s, {model.n_passes_:.0f} passes, gap {gap:.1e}",
             gap <= 1.1e-6)
    ]  # fmt: skip
    for solver in ("lbfgs", "newton-cg"):
        peer_seconds, peer = timed(
            lambda s=solver: Peer(C=problem.C, solver=s, tol=3e-6, max_iter=4000).fit(X, problem.y)
        )
        peer_gap = objective(peer, X, problem.y, problem.C) / best - 1
        ratio = peer_seconds / seconds
        found = f"{peer_seconds:.0f} s, gap {peer_gap:.1e}: {ratio:.1f}x"
        lines.append(Line("4", f"at least 3 times faster than {solver}", found, ratio >= 3))
    return lines


def bar_path(*, quick: bool, **_: Any) -> list[Line]:
    """Measure bar 6, first half: eight values of C."""
    problem = digits(quick=quick)
    shared = LogisticRegression(pixel_scale=problem.scale)
    alone, together = [], []
    for _ in range(3):
        alone.append(
            max(timed(lambda C=C: ours(Problem("", problem.X, problem.y, C, problem.scale)))[0] for C in C_VALUES)
        )
        together.append(timed(lambda: regularization_path(problem.X, problem.y, C=C_VALUES, estimator=shared))[0])
    ratio = statistics.median(t / a for t, a in zip(together, alone, strict=True))
    found = f"{statistics.median(together):.2f} s against {statistics.median(alone):.2f} s: {ratio:.2f}x"
    return [Line("6", f"{len(C_VALUES)} values of C cost at most 3 times the slowest", found, ratio <= 3)]


# VmHWM, since a process inherits the peak of getrusage from its parent.
PEAK = """
import sys
import numpy as np
from benchmarks._solver_data import mnist
from mnistlib.linear import LogisticRegression
X, y = mnist("train")
X, y = X[: int(sys.argv[1])].copy(), y[: int(sys.argv[1])]
LogisticRegression(C=2.0, pixel_scale=1 / 255).fit(X, y)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024, X.nbytes)
"""


def bar_memory(*, quick: bool, **_: Any) -> list[Line]:
    """Measure bar 6, second half: the peak of a process that imports, reads, and fits from unsigned bytes."""
    rows = 6000 if quick else 60000
    done = subprocess.run([sys.executable, "-c", PEAK, str(rows)], capture_output=True, check=True, text=True)
    peak, held = map(int, done.stdout.split())
    found = f"{peak / MEGABYTE:.0f} MB, of which {held / MEGABYTE:.0f} MB the bytes"
    return [Line("6", "peak memory at most the bytes and 350 MB", found, peak <= held + 350 * MEGABYTE)]


def bar_other_data(*, quick: bool, **_: Any) -> list[Line]:
    """Measure bar 7: other data, time to the objective of the faster of scikit-learn's solvers."""
    return [beside_fastest(problem) for problem in problems(quick=quick)]


def beside_fastest(problem: Problem) -> Line:
    """Compare with the fastest of scikit-learn's solvers."""
    X = problem.floats(np.float64 if problem.scale == 1 else np.float32)
    peers = {
        solver: timed(lambda solver=solver: Peer(C=problem.C, solver=solver, max_iter=1000).fit(X, problem.y))
        for solver in ("lbfgs", "newton-cg")
    }
    name = min(peers, key=lambda solver: peers[solver][0])
    peer_seconds, peer = peers[name]
    target = objective(peer, X, problem.y, problem.C)
    seconds, model = timed(lambda: ours(problem), 3)
    if objective(model, X, problem.y, problem.C) > target:
        seconds, model = timed(lambda: until(problem, target), 3)
    reached = objective(model, X, problem.y, problem.C)
    ratio = peer_seconds / seconds
    found = f"{seconds:.2f} s to {reached:.2f} in {model.n_passes_:.0f} passes: {ratio:.1f}x"
    label = f"{problem.name}: {name} {peer_seconds:.1f} s to {target:.2f}"
    return Line("7", label, found, ratio >= 1 and reached <= target * (1 + 1e-6))


BIG = """
import sys, time
import numpy as np
from mnistlib.linear import LogisticRegression
path, rows = sys.argv[1], int(sys.argv[2])
X = np.memmap(path, np.uint8, "r", shape=(rows, 784))
y = np.load(path.rsplit(".", 1)[0] + ".labels.npy")[:rows]
peak = 0
steps = []
def watch(progress):
    global peak
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak = max(peak, int(status["RssAnon"].split()[0]) * 1024)
    if not steps or steps[-1][0] != progress.iteration:
        steps.append((progress.iteration, progress.seconds))
        left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
        print(f"  {rows} rows: {progress.objective:.1f} after {progress.seconds:.0f} s{left}", file=sys.stderr)
began = time.perf_counter()
model = LogisticRegression(C=2.0, pixel_scale=1 / 255, callback=watch, max_iter=int(sys.argv[3])).fit(X, y)
seconds = time.perf_counter() - began
times = np.diff([at for _, at in steps if _ >= 1])
print(peak, seconds, model.n_passes_, int(model.converged_), np.median(times))
"""


def bar_bigger_than_memory(*, quick: bool, **_: Any) -> list[Line]:
    """Measure a fit of 8.1 million rows from a file, and the time of a pass from 60,000 rows to 6 million."""
    most = 810_000 if quick else 8_100_000
    lines, per_row = [], {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.bin")
        enlarged(path, most)
        for rows in (60_000, 600_000) if quick else (60_000, 600_000, 6_000_000):
            command = [sys.executable, "-W", "ignore", "-c", BIG, str(path), str(rows), "12"]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            per_row[rows] = float(done.stdout.split()[4]) / rows * 1e9
        command = [sys.executable, "-c", BIG, str(path), str(most), "100"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    peak, seconds, passes, converged, _ = map(float, done.stdout.split())
    spread = max(per_row.values()) / min(per_row.values())
    found = f"{peak / 1e9:.2f} GB, {seconds:.0f} s, {passes:.1f} passes, converged: {bool(converged)}"
    lines.append(Line("big", f"{most} rows in under 2.5 GB that is not page cache", found, peak < 2.5e9))
    each = ", ".join(f"{nanoseconds:.0f} ns at {rows}" for rows, nanoseconds in per_row.items())
    lines.append(Line("big", "time of a pass per row within 15%", f"{each}: {spread:.2f}x", spread <= 1.15))
    return lines


BARS: dict[str, Callable[..., Iterable[Line]]] = {
    "lbfgs": bar_lbfgs,
    "liblinear": bar_liblinear,
    "intelex": bar_intelex,
    "cyanure": bar_cyanure,
    "optimum": bar_optimum,
    "path": bar_path,
    "memory": bar_memory,
    "other": bar_other_data,
    "big": bar_bigger_than_memory,
    "everywhere": bar_everywhere,
    "probes": bar_probes,
}


def main() -> int:
    """Measure, print, and return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solver", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON array instead of lines")
    parser.add_argument("--only", choices=BARS, action="append", help="measure this bar; may be repeated")
    parser.add_argument("--quick", action="store_true", help="use a tenth of the rows, to test the benchmark")
    parser.add_argument(
        "--intelex", default=sys.executable, help="path of a Python with scikit-learn-intelex", metavar="PYTHON"
    )
    parser.add_argument("--cyanure", default=sys.executable, help="path of a Python with cyanure", metavar="PYTHON")
    parser.add_argument("--rows", default="", help="names of the data sets, for everywhere and probes", metavar="REGEX")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    lines: list[Line] = []
    for name in options.only or BARS:
        bar = BARS[name](quick=options.quick, intelex=options.intelex, cyanure=options.cyanure, rows=options.rows)
        for line in bar:
            lines.append(line)
            if not options.json:
                mark = {True: "ok  ", False: "MISS", None: "    "}[line.cleared]
                print(f"{mark} bar {line.bar:<4} {line.what}  {line.found}", flush=True)
    if options.json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
    return int(any(line.cleared is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
