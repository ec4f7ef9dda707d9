"""Linear probes: many classes on generated embeddings, compared with scikit-learn's lbfgs, and one large fit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression as Peer

from benchmarks._solver_line import Line
from mnistlib.linear import LogisticRegression, regularization_path

C_VALUES = (0.316, 10.0, 100.0)
# The standard deviation of the i-th axis is a power of i.
POWERS = {"1/sqrt(i)": -0.5, "1/i": -1.0}
# Distance of class means along each of this many axes, in standard deviations of the rows of a class. With more axes
# the distance along each is smaller, otherwise many classes would hardly overlap.
APART = 0.3
AXES = 128
LENGTH = 10.0  # root mean square of a row
MANY_ITERATIONS = 100
SWEEP = np.logspace(-2, 2, 10)
GIGABYTE = 1e9


@dataclass(frozen=True)
class Embeddings:
    """Rows of shape (n, d) and their classes."""

    X: npt.NDArray[Any]
    y: npt.NDArray[np.int64]


def embeddings(rows: int, columns: int, classes: int, *, power: float, dtype: Any, seed: int = 0) -> Embeddings:
    """Return class means plus noise along randomly rotated axes, so that columns are correlated."""
    random = np.random.default_rng(seed)
    spread = np.arange(1, columns + 1) ** power
    apart = APART * np.sqrt(AXES / columns)
    spread *= LENGTH / np.sqrt((1 + apart**2) * (spread**2).sum())
    turned = np.linalg.qr(random.normal(size=(columns, columns)))[0] * spread[:, None]
    means = apart * random.normal(size=(classes, columns))
    y = random.integers(0, classes, rows)
    X = np.empty((rows, columns), dtype)
    for first in range(0, rows, 8192):
        part = slice(first, first + 8192)
        X[part] = (means[y[part]] + random.normal(size=(len(y[part]), columns))) @ turned
    return Embeddings(X, y)


def objective(model: Any, data: Embeddings, C: float) -> float:
    """Return the objective of a fitted model, in float64."""
    weights = model.coef_.astype(np.float64)
    scores = data.X.astype(np.float64) @ weights.T + model.intercept_
    loss = (logsumexp(scores, axis=1) - scores[np.arange(len(data.y)), data.y]).sum()
    return float(C * loss + (weights**2).sum() / 2)


def bar_probes(*, quick: bool, rows: str, **_: Any) -> Iterator[Line]:
    """Measure CPU time to the final objective of lbfgs, a sweep, and the memory and time of a large fit."""
    for classes, (name, power), dtype, C in product(
        (200,) if quick else (200, 1000), POWERS.items(), (np.float32, np.float16), C_VALUES
    ):
        label = f"{classes} classes, {name}, {np.dtype(dtype).name}, C={C:g}"
        if re.search(rows, label):
            yield compare(label, embeddings(20_000, 128, classes, power=power, dtype=dtype), C)
    if re.search(rows, "sweep"):
        yield sweep(embeddings(20_000, 128, 200, power=-0.5, dtype=np.float32))
    size = (25_600, 512, 100) if quick else (256_000, 512, 1000)
    for budget in (None, GIGABYTE):
        label = f"large, memory_budget={budget if budget is None else f'{budget:g}'}"
        if re.search(rows, label):
            yield large(label, size, budget)


def compare(label: str, data: Embeddings, C: float) -> Line:
    """Return the time to the objective of lbfgs as a share of the time of lbfgs."""
    began = time.process_time()
    peer = Peer(C=C, max_iter=1000).fit(data.X.astype(np.float32, copy=False), data.y)
    of_peer = time.process_time() - began
    target = objective(peer, data, C)
    began = time.process_time()
    model = LogisticRegression(
        C=C, max_iter=1000, tol=1e-14, callback=lambda progress: progress.objective <= target
    ).fit(data.X, data.y)
    of_solver = time.process_time() - began
    reached = objective(model, data, C) <= target * (1 + 1e-7)
    most = 0.2 if peer.n_iter_[0] > MANY_ITERATIONS else 0.6
    found = (
        f"lbfgs {of_peer:.1f} s, {peer.n_iter_[0]} iterations; {of_solver:.2f} s, {model.n_passes_:.0f} passes: "
        f"{of_solver / of_peer:.3f}x"
    )
    return Line("probes", f"{label}: at most {most}x", found, reached and of_solver <= most * of_peer)


def sweep(data: Embeddings) -> Line:
    """Return the time of ten values of C over shared passes, compared with ten separate fits."""
    began = time.process_time()
    together = regularization_path(data.X, data.y, C=list(SWEEP))
    shared = time.process_time() - began
    began = time.process_time()
    apart = [LogisticRegression(C=C).fit(data.X, data.y) for C in SWEEP]
    alone = time.process_time() - began
    same = all(abs(one.objective_ / other.objective_ - 1) < 1e-3 for one, other in zip(together, apart, strict=True))
    found = f"{shared:.1f} s together, {alone:.1f} s one by one: {shared / alone:.2f}x"
    return Line("probes", "sweep over 10 values of C, 200 classes", found, same and shared <= alone)


LARGE = """
import json, sys, time
import numpy as np
from benchmarks.probes import embeddings
from mnistlib.linear import LogisticRegression
rows, columns, classes, budget = json.loads(sys.argv[1])
data = embeddings(rows, columns, classes, power=-0.5, dtype=np.float32)
def watch(progress):
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    print(f"  {progress.passes:.1f} passes: {progress.objective:.1f}, {progress.seconds:.0f} s{left}", file=sys.stderr)
began = time.perf_counter()
model = LogisticRegression(C=10.0, callback=watch, memory_budget=budget).fit(data.X, data.y)
seconds = time.perf_counter() - began
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
print(json.dumps([data.X.nbytes, peak, seconds, model.n_passes_, bool(model.converged_)]))
"""


def large(label: str, size: tuple[int, int, int], budget: float | None) -> Line:
    """Return the peak memory of a process that makes embeddings and fits them, and the time of the fit."""
    command = [sys.executable, "-c", LARGE, json.dumps([*size, budget])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    nbytes, peak, seconds, passes, converged = json.loads(done.stdout)
    room = (4 if budget is None else 1) * GIGABYTE
    rows, columns, classes = size
    found = (
        f"X {nbytes / 1e9:.2f} GB, peak {peak / 1e9:.2f} GB, {seconds:.0f} s, {passes:.1f} passes, "
        f"converged: {converged}"
    )
    label = f"{label}: {rows} x {columns}, {classes} classes, at most X and {room / 1e9:.0f} GB"
    return Line("probes", label, found, converged and peak <= nbytes + room)
