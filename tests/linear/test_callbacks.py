"""scikit-learn's callbacks: the tasks of a fit, the arguments of hooks, and the ways to end it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from mnistlib.linear import LogisticRegression, Progress
from tests.linear.conftest import make_problem

pytest.importorskip("sklearn.callback")

PROBLEM = make_problem(300, 5, 3)
MIXED = PROBLEM.X @ np.random.default_rng(1).normal(size=(5, 30)) + np.random.default_rng(2).normal(size=(300, 30)) / 10
#: Problems that are solved in their own columns, in centred ones, along principal axes and in the space of their rows.
COLUMNS = {
    "own": PROBLEM.X,
    "centred": PROBLEM.X + 1e6,
    "principal axes": MIXED,
    "centred, along axes": MIXED + 1e5,
    "of the rows": make_problem(300, 900, 3).X,
}


@dataclass
class Recorder:
    """Notes each hook, and ends the fit after so many iterations.

    It stands for a user's callback; scikit-learn calls it.
    """

    ends_after: int = 1000
    begun: list[tuple[str, Any]] = field(default_factory=list)
    ended: list[tuple[str, Any]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def setup(self, estimator: Any, context: Any) -> None:
        self.others.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.others.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> None:
        self.begun.append((context.task_name, fitted_estimator))

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any, X: Any, y: Any) -> bool:
        self.ended.append((context.task_name, fitted_estimator))
        return context.task_name != "fit" and len(self.ended) >= self.ends_after


def fit(recorder: Recorder, X: Any = PROBLEM.X, **parameters: Any) -> LogisticRegression:
    model: LogisticRegression = LogisticRegression(**parameters).set_callbacks(recorder).fit(X, PROBLEM.y)
    return model


def test_each_iteration_is_a_task_of_the_fit() -> None:
    recorder = Recorder()
    (iterations,) = fit(recorder).n_iter_
    assert [name for name, _ in recorder.ended] == ["iteration"] * (iterations + 1) + ["fit"]
    assert [name for name, _ in recorder.begun] == ["fit"] + ["iteration"] * (iterations + 1)
    assert recorder.others == ["setup", "teardown"]


@pytest.mark.parametrize("X", COLUMNS.values(), ids=COLUMNS.keys())
def test_the_model_after_an_iteration_has_the_objective_that_is_reported(
    X: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistlib.linear.progress.REPORT_EVERY", np.inf)  # none in the middle of an iteration
    recorder, reported = Recorder(), []
    fit(recorder, X, callback=lambda progress: reported.append(progress.objective))
    for objective, (_, model) in zip(reported, recorder.ended[:-2], strict=True):
        loss = log_loss(PROBLEM.y, model.predict_proba(X), normalize=False)
        assert objective == pytest.approx(loss + (model.coef_**2).sum() / 2, rel=1e-4)


def test_the_model_after_an_iteration_is_that_of_a_fit_that_ends_there() -> None:
    recorder = Recorder()
    (iterations,) = fit(recorder).n_iter_
    for count, (_, model) in enumerate(recorder.ended[: iterations - 1], 1):
        with warnings.catch_warnings(category=ConvergenceWarning, action="ignore"):  # one may have converged
            expected = LogisticRegression(max_iter=count).fit(PROBLEM.X, PROBLEM.y)
        np.testing.assert_array_equal(model.coef_, expected.coef_)
        np.testing.assert_array_equal(model.intercept_, expected.intercept_)


def test_the_first_iteration_begins_at_zero_or_at_a_warm_start() -> None:
    recorder = Recorder()
    model = fit(recorder, warm_start=True)
    assert not recorder.begun[1][1].coef_.any()
    coefficients = model.coef_
    recorder.begun.clear()
    model.fit(PROBLEM.X, PROBLEM.y)
    np.testing.assert_array_equal(recorder.begun[1][1].coef_, coefficients)


def test_a_hook_that_returns_true_ends_the_fit_without_a_warning() -> None:
    model = fit(Recorder(ends_after=1))
    assert model.n_iter_ == [1]
    assert not model.converged_


def test_our_own_callback_is_called_beside_scikit_learns() -> None:
    recorder, seen = Recorder(), []
    fit(recorder, callback=lambda progress: seen.append(progress.iteration))
    assert seen == list(range(1, len(recorder.ended) - 1))


def test_our_own_callback_ends_the_fit_beside_scikit_learns() -> None:
    assert fit(Recorder(), callback=lambda progress: progress.iteration == 2).n_iter_ == [2]


def test_no_iteration_at_all_is_one_task() -> None:
    recorder = Recorder()
    with pytest.warns(ConvergenceWarning):
        fit(recorder, max_iter=0)
    assert [name for name, _ in recorder.ended] == ["iteration", "iteration", "fit"]


def test_a_fit_that_fails_tears_down() -> None:
    def fail(progress: Progress) -> None:
        raise KeyError

    recorder = Recorder()
    with pytest.raises(KeyError):
        fit(recorder, callback=fail)
    assert recorder.others == ["setup", "teardown"]


def test_callbacks_are_cloned_and_can_be_taken_off() -> None:
    recorder = Recorder()
    model = LogisticRegression().set_callbacks(recorder)
    assert clone(model)._skl_callbacks == [recorder]
    model.set_callbacks().fit(PROBLEM.X, PROBLEM.y)
    assert not recorder.ended


@pytest.mark.needs("rich")
def test_scikit_learns_progress_bar_shows_the_fit_and_a_search_over_fits(capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.callback import ProgressBar

    LogisticRegression().set_callbacks(ProgressBar()).fit(PROBLEM.X, PROBLEM.y)
    assert "LogisticRegression" in capsys.readouterr().out
    GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=3).set_callbacks(ProgressBar()).fit(PROBLEM.X, PROBLEM.y)
    assert "GridSearchCV" in capsys.readouterr().out


def test_scikit_learns_scoring_monitor_scores_each_iteration() -> None:
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="neg_log_loss")
    model = LogisticRegression().set_callbacks(monitor).fit(PROBLEM.X, PROBLEM.y)
    assert len([row for row in monitor.get_logs().data if row["task_name"] == "iteration"]) == model.n_iter_[0]
