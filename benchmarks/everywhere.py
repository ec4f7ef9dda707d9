"""The solver on all kinds of data, beside scikit-learn: ``python -m benchmarks.solver --only everywhere``.

CPU time with one BLAS thread. On each data set, three bars:

- the time to the final objective of the faster peer, both peers with default settings, is at most that peer's;
- the whole fit takes at most as long as the faster peer to the same distance from the optimum;
- the distance is at most the larger of the faster peer's and 1e-7.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from benchmarks._everywhere_data import SOURCES, DataSet, Source
from benchmarks._everywhere_fits import LARGEST_HESSIAN, Contest, Fit
from benchmarks._solver_line import Line
from benchmarks.harness import Timings, time_in_turns
from mnistlib.linear import LogisticRegression

BAR = "all"
CLOSE = 1e-7
# A whole fit of fewer seconds may take up to this ratio of the peer's time.
SHORT, SHORT_RATIO = 5e-3, 1.3
# A solver has no further turns after this many seconds in total; a solver with a longer fit runs once.
MOST_SECONDS = 20.0
FOLDS = 5
HEADER = (
    f"{'data':35} {'n x d x classes':>17} | {'faster peer':15} {'ms':>8} {'other':>8} | {'to target':>9} "
    f"{'ratio':>6}      | {'whole':>9} {'peer to the same distance':>31} {'ratio':>6}      | "
    f"{'distance':>8} {'peer':>8}      | iterations"
)
LEGEND = f"newton-cholesky is skipped as the other peer if its Hessian has more than {LARGEST_HESSIAN} rows"


def bar_everywhere(*, quick: bool, rows: str = "", **_: Any) -> Iterator[Line]:
    """Compare on every data set; `rows` is a regular expression for their names."""
    yield Line(BAR, LEGEND, "", None)
    yield Line(BAR, HEADER, "", None)
    chosen = [source for source in SOURCES if re.search(rows, source.name) and (source.quick or not quick)]
    missed = 0
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source in chosen:
            line = (grid_search if source.grid else compare)(source, rounds=3 if quick else 15)
            missed += line.cleared is False
            yield line
    yield Line(
        BAR, f"{missed} of {len(chosen)} data sets miss a bar", "", None, {"missed": missed, "rows": len(chosen)}
    )


@dataclass(frozen=True)
class Verdict:
    """Measurements on a data set.

    `fits` has the faster peer at its defaults as "peer", the other as "other", the solver as "target" and "whole", and
    the peer to the same distance as "same"; `times` the seconds of each but "other".
    """

    fits: Mapping[str, Fit]
    times: Timings

    def milliseconds(self, name: str) -> float:
        """Return the median time."""
        seconds = self.times.median(name) if name in self.times.seconds else self.fits[name].seconds
        return seconds * 1e3

    def ratio(self, name: str, to: str) -> float | None:
        """Return the median ratio of two times; None unless both fits reached their targets."""
        measured = to in self.fits and not self.fits[name].failed
        return self.times.ratio(name, to) if measured else None

    @property
    def ratios(self) -> dict[str, float | None]:
        """Times of the solver as multiples of the peer's: to the target, and to the same distance."""
        return {"target": self.ratio("target", "peer"), "whole": self.ratio("whole", "same")}

    @property
    def cleared(self) -> dict[str, bool]:
        """Each bar: to the target, the whole fit, the distance."""
        most = SHORT_RATIO if self.times.median("whole") < SHORT else 1.0
        target, whole = self.ratios.values()
        return {
            "target": target is not None and target <= 1,
            "whole": not self.fits["whole"].failed and (whole is None or whole <= most),
            "distance": self.fits["whole"].distance <= max(self.fits["peer"].distance, CLOSE),
        }


def compare(source: Source, *, rounds: int) -> Line:
    """Compare on one data set."""
    data = source.make()
    contest = Contest(data)
    peers = contest.peer_default()
    fits = dict(zip(("peer", "other"), peers, strict=False))
    fits["target"], fits["whole"] = contest.to_target(peers[0]), contest.whole(peers[0])
    same = None if fits["whole"].failed else contest.peer_to_same(fits["whole"], peers)
    if same is not None:
        fits["same"] = same
    return _line(source.name, data, Verdict(fits, _times(fits, rounds=rounds)))


def _times(fits: Mapping[str, Fit], *, rounds: int) -> Timings:
    """Return times of all but the other peer: in turns, unless one is long; failed fits have their first time only."""
    once = {name: [fit.seconds] for name, fit in fits.items() if name != "other"}
    running = {name: fits[name] for name in once if not fits[name].failed}
    if max(fit.seconds for fit in running.values()) > MOST_SECONDS:
        return Timings(once)
    runs = {name: fit.run for name, fit in running.items()}
    timings = time_in_turns(runs, rounds=rounds, most_seconds=MOST_SECONDS, clock=time.process_time)
    return Timings({**once, **timings.seconds})


def _line(name: str, data: DataSet, verdict: Verdict) -> Line:
    fits, marks = verdict.fits, [("ok" if cleared else "MISS").ljust(4) for cleared in verdict.cleared.values()]
    shape = " x ".join(map(str, (*data.X.shape, data.classes)))
    other = f"{verdict.milliseconds('other'):8.1f}" if "other" in fits else f"{'skipped':>8}"
    same = "not reached"
    if "same" in fits:
        same = f"{fits['same'].name} {verdict.milliseconds('same'):8.1f}"
    elif fits["whole"].failed:
        same = "not tried"
    label = f"{name:35} {shape:>17} | {fits['peer'].name:15} {verdict.milliseconds('peer'):8.1f} {other} |"
    found = (
        f"{_own(verdict, 'target')} {marks[0]} | "
        f"{_own(verdict, 'whole', same)} {marks[1]} | "
        f"{fits['whole'].distance:8.1e} {fits['peer'].distance:8.1e} {marks[2]} | "
        f"{', '.join(f'{key} {fit.iterations}' for key, fit in fits.items())}"
    )
    return Line(BAR, label, found, all(verdict.cleared.values()), _figures(name, data, verdict))


def _own(verdict: Verdict, name: str, beside: str | None = None) -> str:
    """Return one time of the solver, the text beside it, and the ratio."""
    fit, ratio = verdict.fits[name], verdict.ratios[name]
    time_text = "never" if fit.stalled else f"{'>' if fit.stopped else ''}{verdict.milliseconds(name):.1f}"
    between = "" if beside is None else f"{beside:>31} "
    return f"{time_text:>9} {between}" + ("     -" if ratio is None else f"{ratio:5.2f}x")


def _figures(name: str, data: DataSet, verdict: Verdict) -> dict[str, Any]:
    fits = {
        key: {
            "name": fit.name,
            "seconds": verdict.milliseconds(key) / 1e3,
            "iterations": fit.iterations,
            "distance": fit.distance,
            "reached": not fit.failed,
        }
        for key, fit in verdict.fits.items()
    }
    shape = {"rows": data.X.shape[0], "columns": data.X.shape[1], "classes": data.classes}
    return {"data": name, **shape, "fits": fits, "ratios": verdict.ratios, "cleared": verdict.cleared}


def grid_search(source: Source, *, rounds: int) -> Line:
    """Compare the time of a grid search, with estimators of default settings."""
    data = source.make()
    grid = {"C": np.logspace(-4, 4, source.grid)}
    estimators = {
        "whole": LogisticRegression(),
        "lbfgs": Peer(),
        "newton-cholesky": Peer(solver="newton-cholesky"),
    }
    searches = {name: GridSearchCV(each, grid, cv=FOLDS, refit=False) for name, each in estimators.items()}
    rows = {name: data.X if name == "whole" else data.for_peers() for name in searches}
    times = time_in_turns(
        {name: partial(search.fit, rows[name], data.y) for name, search in searches.items()},
        rounds=rounds,
        most_seconds=MOST_SECONDS,
        clock=time.process_time,
    )
    peer, other = sorted(("lbfgs", "newton-cholesky"), key=times.median)
    milliseconds = f"{times.median(peer) * 1e3:8.1f} {times.median(other) * 1e3:8.1f}"
    label = f"{source.name:35} {f'{FOLDS * source.grid} fits':>17} | {peer:15} {milliseconds} |"
    ratio = times.ratio("whole", peer)
    found = f"{times.median('whole') * 1e3:9.1f} {ratio:5.2f}x {'ok' if ratio <= 1 else 'MISS'}"
    seconds = {name: times.median(name) for name in searches}
    return Line(BAR, label, found, ratio <= 1, {"data": source.name, "seconds": seconds, "ratios": {"whole": ratio}})
