"""Fits of one data set by the solver and its peers: to a target, with default settings, to the same distance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression as Peer

from benchmarks._everywhere_data import DataSet
from benchmarks._everywhere_optimum import Objective
from benchmarks.harness import time_in_turns
from mnistlib.linear import LogisticRegression, Progress

# newton-cholesky is skipped if its Hessian has more rows.
LARGEST_HESSIAN = 5000
# Powers of ten to try as a peer's tolerance, and the steps between two of them.
POWERS = range(2, 13)
STEPS = (5.0, 2.0)
# Longer fits, in seconds, are tried only at the default tolerance, 1e-4, and below.
SLOW = 2.0
# Objectives with a smaller relative difference count as equal: the rounding error of a sum over the rows.
SAME = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-7, np.dtype(np.uint8): 1e-7}
# Time limit of the solver, as a multiple of the peer's time.
PATIENCE_TARGET, PATIENCE_WHOLE = 3.0, 10.0
# Time limit of the peer to the solver's distance, as a multiple of the solver's time.
PATIENCE_PEER = 2.0
GRACE = 0.3


@dataclass(frozen=True)
class Fit:
    """Cost of a fitted model in CPU seconds, its iterations, and its relative distance from the optimum.

    `stopped`: ended by the time limit. `stalled`: ended by itself before its target.
    """

    name: str
    seconds: float
    iterations: int
    distance: float
    run: Callable[[], Any]
    stopped: bool = False
    stalled: bool = False

    @property
    def failed(self) -> bool:
        """Whether the fit missed its target, so that its time is no result."""
        return self.stopped or self.stalled


class Contest:
    """Fits of one data set, each measured once.

    Parameters
    ----------
    data : DataSet
        The rows.
    """

    def __init__(self, data: DataSet) -> None:
        self.data = data
        self.objective = Objective(data)
        self.optimum = self.objective.minimum()
        self.peer_rows = data.for_peers()
        self.same = SAME[data.X.dtype]
        self.hessian = self.objective.outputs * (data.X.shape[1] + 1)

    def peer_default(self) -> list[Fit]:
        """Return fits by scikit-learn's solvers with default settings, the fastest first."""
        fits = [self._measured("lbfgs", self._peer("lbfgs"))]
        if self.hessian <= LARGEST_HESSIAN:
            fits.append(self._measured("newton-cholesky", self._peer("newton-cholesky")))
        return _fastest_first(fits)

    def to_target(self, peer: Fit) -> Fit:
        """Return a fit by the solver, stopped at the final objective of the peer."""
        distance = max(peer.distance, self.same)
        limit = PATIENCE_TARGET * peer.seconds + GRACE
        target = self.optimum.objective * (1 + distance)
        fit = self._measured("solver", partial(self._until, target, limit, tol=1e-14, max_iter=100_000))
        failed = fit.distance > distance + self.same
        late = fit.seconds > limit
        if not failed:
            # Peers are timed without a callback, which takes a tenth of the time of a small fit. So time the solver
            # without one too, if the same number of iterations reaches the target.
            alone = self._measured("solver", partial(self._solver, tol=1e-14, max_iter=fit.iterations))
            if alone.distance <= distance + self.same and alone.seconds < fit.seconds:
                fit = alone
        return replace(fit, stopped=failed and late, stalled=failed and not late)

    def whole(self, peer: Fit) -> Fit:
        """Return a fit by the solver with default settings, stopped if it takes far longer than the peer."""
        limit = PATIENCE_WHOLE * peer.seconds + GRACE
        fit = self._measured("solver", partial(self._until, -math.inf, limit))
        return replace(fit, run=partial(self._solver), stopped=fit.seconds > limit)

    def peer_to_same(self, whole: Fit, peers: list[Fit]) -> Fit | None:
        """Return the fastest fit by a peer to at most the solver's distance; None if no peer gets there in time."""
        reached = [self._loosest(peer, whole) for peer in peers]
        return next(iter(_fastest_first([fit for fit in reached if fit is not None])), None)

    def _loosest(self, default: Fit, whole: Fit) -> Fit | None:
        """Return a peer's fit with the largest tolerance that gets as close to the optimum as the solver."""
        limit = PATIENCE_PEER * whole.seconds + GRACE / 3
        most = max(1, math.ceil(limit / default.seconds * default.iterations))
        distance = max(whole.distance, self.same)
        for power in POWERS if default.seconds <= SLOW else POWERS[2:]:
            fit = self._peer_at(default.name, 10.0**-power, most)
            if fit.distance <= distance:
                between = (self._peer_at(default.name, step * 10.0**-power, most) for step in STEPS)
                return next((each for each in between if each.distance <= distance), fit)
            if fit.iterations >= most:
                return None
        return None

    def _peer_at(self, solver: str, tol: float, max_iter: int) -> Fit:
        return self._measured(f"{solver} {tol:.0e}", self._peer(solver, tol=tol, max_iter=max_iter))

    def _peer(self, solver: str, **parameters: Any) -> Callable[[], Peer]:
        model = Peer(C=self.data.C, solver=solver, **parameters)
        return lambda: model.fit(self.peer_rows, self.data.y, self.data.weight)

    def _solver(self, **parameters: Any) -> LogisticRegression:
        model = LogisticRegression(C=self.data.C, **parameters)
        return model.fit(self.data.X, self.data.y, self.data.weight)

    def _until(self, target: float, limit: float, **parameters: Any) -> LogisticRegression:
        """Fit until an objective is reached, at most `limit` CPU seconds."""
        end = time.process_time() + limit

        def done(progress: Progress) -> bool:
            return progress.objective <= target or time.process_time() > end

        return self._solver(callback=done, **parameters)

    def _measured(self, name: str, run: Callable[[], Any]) -> Fit:
        began = time.process_time()
        model = run()
        seconds = time.process_time() - began
        reached = self.objective.at(model.coef_, model.intercept_)
        distance = reached / self.optimum.objective - 1
        return Fit(name, seconds, int(model.n_iter_[0]), distance, run)


def _fastest_first(fits: list[Fit]) -> list[Fit]:
    """Return fits sorted by time; times of short fits are measured again, in turns."""
    if len(fits) > 1 and max(fit.seconds for fit in fits) <= SLOW:
        runs = {fit.name: fit.run for fit in fits}
        timings = time_in_turns(runs, rounds=7, most_seconds=1, clock=time.process_time)
        fits = [replace(fit, seconds=timings.median(fit.name)) for fit in fits]
    return sorted(fits, key=lambda fit: fit.seconds)
