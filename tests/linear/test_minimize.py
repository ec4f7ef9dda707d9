"""The minimizer: its measure of convergence, its passes, its progress and its end."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from mnistlib.errors import DataError
from mnistlib.linear.approach import SAMPLE_ITERATIONS, sample_of
from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.handover import FIRST_STEPS
from mnistlib.linear.local import LocalShards
from mnistlib.linear.minimize import minimize
from mnistlib.linear.progress import Progress
from mnistlib.linear.rows import Rows
from mnistlib.linear.sums import Sums
from tests.linear.conftest import LBFGS, MANY, MANY_WITHOUT_SAMPLE, NEWTON, SINGLE_FIRST, Problem, Regime, make_problem
from tests.linear.reference import find_optimum

PASSES = ("evaluate", "product", "moments")


@dataclass(frozen=True)
class CountingShards(LocalShards):
    """One shard that counts the operations over all its rows."""

    counts: Counter[str] = field(default_factory=Counter)

    def total(self, operation: str, *arguments: Any) -> Sums:
        self.counts[operation] += 1
        return super().total(operation, *arguments)


class Stop:
    """A callback that ends a fit at its n-th call."""

    def __init__(self, call: int) -> None:
        self.call = call
        self.seen: list[Progress] = []

    def __call__(self, progress: Progress) -> bool:
        self.seen.append(progress)
        return len(self.seen) == self.call


@pytest.fixture
def report_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call callbacks after each block, of which 300 rows have five."""
    monkeypatch.setattr("mnistlib.linear.progress.REPORT_EVERY", 0.0)
    monkeypatch.setattr("mnistlib.linear.rows.BLOCK_ROWS", (64, 64))


@pytest.fixture
def report_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call callbacks after each step only."""
    monkeypatch.setattr("mnistlib.linear.progress.REPORT_EVERY", np.inf)


# The optimum


def test_each_regime_finds_the_optimum(double: Arithmetic, regime: Regime) -> None:
    problem = regime.problem()
    (solution,) = regime.fit(double, tol=1e-10)
    best = find_optimum(problem.X, problem.y)
    assert solution.converged
    assert solution.objective == pytest.approx(best.objective, rel=1e-9)


@pytest.mark.parametrize("columns", [1500, 300])
def test_more_columns_than_rows_are_solved(double: Arithmetic, columns: int) -> None:
    problem = make_problem(60, columns, 3)
    (solution,) = minimize(problem.objective(double), tol=1e-6)
    assert solution.converged


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize("columns", [1500, 300])
def test_more_columns_than_rows_that_count_as_many_are_solved_without_large_matrices(
    double: Arithmetic, columns: int
) -> None:
    (solution,) = minimize(make_problem(60, columns, 3).objective(double), tol=1e-6)
    assert solution.converged


@pytest.mark.parametrize("classes", [2, 4])
def test_many_models_are_solved_as_each_alone(double: Arithmetic, regime: Regime, classes: int) -> None:
    problem = regime.problem(classes)
    values = [1e-3, 0.1, 1.0, 100.0]
    together = regime.fit(double, values, problem=problem, tol=1e-9)
    for C, solution in zip(values, together, strict=True):
        (alone,) = regime.fit(double, C, problem=problem, tol=1e-9)
        assert solution.converged
        np.testing.assert_allclose(solution.weights, alone.weights, atol=1e-6 if not regime.many else 1e-3)
        assert solution.objective == pytest.approx(alone.objective, rel=1e-10 if not regime.many else 1e-8)


def test_the_size_of_blocks_changes_nothing_but_rounding(
    double: Arithmetic, regime: Regime, monkeypatch: pytest.MonkeyPatch
) -> None:
    (large,) = regime.fit(double, tol=1e-9)
    monkeypatch.setattr("mnistlib.linear.rows.BLOCK_ROWS", (64, 64))
    (small,) = regime.fit(double, tol=1e-9)
    np.testing.assert_allclose(small.weights, large.weights, atol=1e-7)


@pytest.mark.parametrize(("threads", "precision"), [(2, np.float32), (3, np.float64)])
def test_results_have_the_same_bits_for_every_number_of_threads(
    regime: Regime, threads: int, precision: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistlib.linear.rows.BLOCK_ROWS", (64, 64))
    (one,) = regime.fit(Arithmetic(np.dtype(precision), 1))
    (other,) = regime.fit(Arithmetic(np.dtype(precision), threads))
    np.testing.assert_array_equal(one.parameters[None], other.parameters[None])


@pytest.mark.parametrize("regime", [SINGLE_FIRST], ids=str)
def test_blocks_of_either_precision_are_worked_on_by_the_threads(
    regime: Regime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistlib.linear.rows.BLOCK_ROWS", (64, 64))
    by_main: Counter[np.dtype[Any]] = Counter()
    of_rows = Rows.block

    def block(rows: Rows, part: slice) -> Any:
        found = of_rows(rows, part)
        by_main[found.dtype] += threading.current_thread() is threading.main_thread()
        return found

    monkeypatch.setattr(Rows, "block", block)
    regime.fit(Arithmetic(np.dtype(np.float64), threads=2))
    assert by_main == {np.dtype(np.float32): 0, np.dtype(np.float64): 0}


# A part of the steps, and the start


def test_the_first_steps_alone_read_the_rows_as_often_as_a_rough_solution_needs(double: Arithmetic) -> None:
    (rough,) = LBFGS.fit(double, tol=1e-10, steps="first")
    (whole,) = LBFGS.fit(double, tol=1e-10)
    assert rough.iterations == FIRST_STEPS
    assert rough.objective == pytest.approx(whole.objective, rel=1e-3)


def test_a_fit_that_is_cancelled_before_newtons_method_has_not_converged(double: Arithmetic) -> None:
    (found,) = LBFGS.fit(double, tol=0.1, callback=lambda progress: progress.gradient_norm <= 0.1)
    assert found.cancelled
    assert found.gradient_norm <= 0.1
    assert not found.converged


def test_a_fit_that_runs_out_of_steps_before_newtons_method_is_judged_by_the_hessian(double: Arithmetic) -> None:
    (found,) = LBFGS.fit(double, tol=0.1, max_iter=10)
    (limit,) = LBFGS.fit(double, tol=0.1, max_iter=2)
    assert found.converged
    assert not limit.converged


def test_the_last_steps_after_the_first_reach_the_optimum(double: Arithmetic) -> None:
    problem = LBFGS.problem()
    (rough,) = LBFGS.fit(double, tol=1e-10, steps="first")
    (last,) = LBFGS.fit(double, tol=1e-10, steps="last", start=rough.parameters[None])
    assert last.converged
    assert last.objective == pytest.approx(find_optimum(problem.X, problem.y).objective, rel=1e-9)


@pytest.mark.parametrize("regime", [NEWTON, LBFGS], ids=str)
def test_the_steps_that_have_led_to_the_start_count(double: Arithmetic, regime: Regime) -> None:
    start = np.zeros((1, 3, regime.columns + 1))
    (alone,) = regime.fit(double, start=start)
    (counted,) = regime.fit(double, start=start, first_iteration=7)
    assert counted.iterations == alone.iterations + 7
    (limited,) = regime.fit(double, start=start, first_iteration=7, max_iter=9)
    assert limited.iterations == 9


@pytest.mark.parametrize("regime", [LBFGS, SINGLE_FIRST, MANY, MANY_WITHOUT_SAMPLE], indirect=True, ids=str)
def test_a_start_that_is_worse_than_weights_of_zero_is_not_taken(double: Arithmetic, regime: Regime) -> None:
    bad = 1e6 * np.random.default_rng(0).normal(size=(1, 3, regime.columns + 1))
    (solution,) = regime.fit(double, start=bad, max_iter=0)
    assert solution.objective <= regime.rows * np.log(3) * (1 + 1e-6)


# The measure of convergence


@pytest.mark.parametrize("regime", [NEWTON, LBFGS], ids=str)
def test_the_gradient_norm_does_not_depend_on_the_number_of_rows(double: Arithmetic, regime: Regime) -> None:
    few = regime.problem()
    start = np.random.default_rng(0).normal(size=(1, 3, regime.columns + 1))
    norms = []
    for copies in (1, 2):
        many = replace(few, X=np.tile(few.X, (copies, 1)), y=np.tile(few.y, copies))
        (solution,) = regime.fit(double, 1e6 / copies, problem=many, start=start, max_iter=0)
        norms.append(solution.gradient_norm)
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


@pytest.mark.parametrize("regime", [MANY, MANY_WITHOUT_SAMPLE], indirect=True, ids=str)
def test_over_many_rows_a_start_at_the_solution_converges_after_two_steps(double: Arithmetic, regime: Regime) -> None:
    (solution,) = regime.fit(double, tol=1e-8)
    (again,) = regime.fit(double, start=solution.parameters[None], tol=1e-6)
    assert (again.iterations, again.passes) == (2, 3)
    np.testing.assert_allclose(again.weights, solution.weights, atol=1e-3)


@pytest.mark.parametrize("regime", [MANY, MANY_WITHOUT_SAMPLE], indirect=True, ids=str)
def test_over_many_rows_all_of_the_objective_may_be_left_to_gain_before_two_steps(
    double: Arithmetic, regime: Regime
) -> None:
    norms = [regime.fit(double, max_iter=limit)[0].gradient_norm for limit in (0, 1, 2)]
    assert norms[:2] == [1, 1]
    assert norms[2] < 1


def test_a_start_at_the_solution_takes_one_pass_and_the_last_step(double: Arithmetic) -> None:
    (solution,) = NEWTON.fit(double, tol=1e-8)
    (again,) = NEWTON.fit(double, start=solution.parameters[None], tol=1e-7)
    assert (again.iterations, again.passes) == (1, 1)
    np.testing.assert_allclose(again.weights, solution.weights)


@pytest.mark.parametrize("limit", [0, 1, 2, 4, 7])
def test_there_are_no_more_iterations_than_allowed(double: Arithmetic, regime: Regime, limit: int) -> None:
    (whole,) = regime.fit(double, tol=1e-6)
    (limited,) = regime.fit(double, tol=1e-6, max_iter=limit)
    assert limited.iterations == min(limit, whole.iterations)


def test_the_limit_holds_where_a_free_last_step_is_left(double: Arithmetic) -> None:
    (whole,) = NEWTON.fit(double)
    (limited,) = NEWTON.fit(double, max_iter=whole.iterations - 1)
    assert limited.iterations == whole.iterations - 1
    assert limited.converged


# Passes


def test_each_iteration_of_newtons_method_is_one_pass(double: Arithmetic) -> None:
    seen: list[Progress] = []
    (solution,) = NEWTON.fit(double, tol=1e-8, callback=seen.append)
    assert solution.converged
    assert [progress.passes for progress in seen[:-1]] == [progress.iteration + 1 for progress in seen[:-1]]


def test_the_last_step_of_newtons_method_takes_no_pass(double: Arithmetic) -> None:
    seen: list[Progress] = []
    (solution,) = NEWTON.fit(double, tol=1e-8, callback=seen.append)
    assert solution.passes == seen[-2].passes


@pytest.mark.usefixtures("report_each_step")
def test_each_iteration_of_lbfgs_is_one_pass_and_each_diagonal_another(double: Arithmetic) -> None:
    seen: list[Progress] = []
    LBFGS.fit(double, problem=make_problem(200, 30, 3), tol=1e-8, callback=seen.append)
    passes = {progress.iteration: progress.passes for progress in seen}
    assert [passes[iteration] for iteration in (1, 2, 5, 6, 8)] == [3, 4, 7, 9, 11]


@pytest.mark.usefixtures("many_rows")
def test_each_iteration_over_many_rows_is_one_pass_and_a_sample_counts_as_its_share(double: Arithmetic) -> None:
    problem = MANY.problem()
    sample, _ = sample_of(problem.objective(double), 0)
    assert sample is not None
    (solution,) = MANY.fit(double, tol=1e-8)
    share = sample.layout.rows / MANY.rows
    assert 0 < share < 0.05
    assert solution.passes == pytest.approx(solution.iterations + 1 + (SAMPLE_ITERATIONS[0] + 1) * share)


@pytest.mark.parametrize("regime", [NEWTON, LBFGS, MANY_WITHOUT_SAMPLE], indirect=True, ids=str)
def test_passes_are_the_operations_over_all_rows(double: Arithmetic, regime: Regime) -> None:
    objective = regime.problem().objective(double)
    assert isinstance(objective.shards, LocalShards)
    objective.shards = shards = CountingShards(objective.shards.shard)
    (solution,) = minimize(objective, tol=1e-8)
    assert solution.passes == sum(shards.counts[operation] for operation in PASSES)


def test_passes_in_either_precision_are_counted_together(double: Arithmetic, single: Arithmetic) -> None:
    problem = SINGLE_FIRST.problem()
    objectives = [problem.objective(arithmetic) for arithmetic in (double, single)]
    counts: Counter[str] = Counter()
    for objective in objectives:
        assert isinstance(objective.shards, LocalShards)
        objective.shards = CountingShards(objective.shards.shard, counts)
    (solution,) = minimize(objectives[0], coarse=objectives[1], tol=1e-8)
    assert solution.passes == sum(counts[operation] for operation in PASSES)


def test_a_model_that_has_converged_takes_no_more_passes(double: Arithmetic, regime: Regime) -> None:
    easy, hard = regime.fit(double, [1e-6, 100.0], tol=1e-8)
    assert easy.passes < hard.passes


# Progress and the callback


@pytest.mark.usefixtures("report_each_step")
def test_progress_is_reported_after_each_iteration(double: Arithmetic, regime: Regime) -> None:
    seen: list[Progress] = []
    (solution,) = regime.fit(double, tol=1e-6, callback=seen.append)
    assert [progress.iteration for progress in seen] == list(range(1, solution.iterations + 1))


@pytest.mark.usefixtures("report_each_step")
def test_the_objective_falls_to_that_of_the_solution(double: Arithmetic, regime: Regime) -> None:
    seen: list[Progress] = []
    (solution,) = regime.fit(double, tol=1e-6, callback=seen.append)
    rounding = 1e-6 if regime.single else 0
    values = np.array([progress.objective for progress in seen])
    assert (values[1:] <= values[:-1] * (1 + rounding)).all()
    assert values[-1] == solution.objective
    assert seen[-1].gradient_norm == solution.gradient_norm


@pytest.mark.usefixtures("report_each_step")
def test_the_time_left_is_estimated(double: Arithmetic, regime: Regime) -> None:
    seen: list[Progress] = []
    regime.fit(double, tol=1e-8, callback=seen.append)
    assert any(progress.seconds_left for progress in seen)


@pytest.mark.parametrize("iterations", [1, 4])
@pytest.mark.parametrize("true", [True, np.True_], ids=["True", "numpy.True_"])
def test_a_callback_that_returns_true_ends_the_fit_with_the_current_model(
    double: Arithmetic, regime: Regime, iterations: int, true: bool | np.bool_
) -> None:
    def stop(progress: Progress) -> bool | np.bool_:
        return true if progress.iteration == iterations else ~np.bool_(true)

    (solution,) = regime.fit(double, tol=1e-20, callback=stop)
    assert (solution.iterations, solution.cancelled, solution.converged) == (iterations, True, False)
    assert solution.objective < regime.rows * np.log(3)


@pytest.mark.parametrize("result", [None, 1, "yes", np.False_])
def test_a_callback_that_returns_anything_else_does_not_end_the_fit(double: Arithmetic, result: Any) -> None:
    def go_on(progress: Progress) -> Any:
        return result

    (solution,) = NEWTON.fit(double, callback=go_on)
    assert not solution.cancelled
    assert solution.converged


@pytest.mark.usefixtures("report_each_block")
def test_inside_a_pass_progress_counts_its_part(double: Arithmetic, regime: Regime) -> None:
    if regime.rows > 1000:
        pytest.skip("too many blocks")
    stop = Stop(call=12)
    regime.fit(double, tol=1e-9, callback=stop)
    passes = [progress.passes for progress in stop.seen]
    parts = {round(part % 1, 6) for part in passes}
    assert {0.2, 0.4, 0.6, 0.8} <= parts


@pytest.mark.usefixtures("report_each_block")
@pytest.mark.parametrize("regime", [NEWTON, LBFGS, SINGLE_FIRST, MANY_WITHOUT_SAMPLE], indirect=True, ids=str)
def test_a_fit_cancelled_in_the_middle_of_a_pass_keeps_the_step_before(double: Arithmetic, regime: Regime) -> None:
    whole_steps: dict[int, set[float]] = {}  # one or, where the precision changes, two values
    calls: list[Progress] = []

    def count(progress: Progress) -> None:
        calls.append(progress)
        whole_steps.setdefault(progress.iteration, set()).add(progress.objective)

    regime.fit(double, tol=1e-9, callback=count)
    inside = [n for n, progress in enumerate(calls, 1) if round(progress.passes % 1, 6) and progress.iteration]
    for call in inside[:: max(1, len(inside) // 40)]:
        stop = Stop(call)
        (solution,) = regime.fit(double, tol=1e-9, callback=stop)
        assert solution.cancelled
        assert solution.iterations == stop.seen[-1].iteration
        assert solution.objective in whole_steps[solution.iterations]
        (there,) = NEWTON.fit(double, problem=regime.problem(), start=solution.parameters[None], max_iter=0)
        rounding = 1e-5 if regime.single else 1e-12
        assert there.objective == pytest.approx(solution.objective, rel=rounding)


@pytest.mark.usefixtures("report_each_block")
def test_a_fit_ends_within_the_block_after_which_the_callback_asks_for_it(double: Arithmetic) -> None:
    after_two: list[Progress] = []

    def stop(progress: Progress) -> bool:
        if progress.iteration == 2:
            after_two.append(progress)
        return len(after_two) == 2

    (solution,) = NEWTON.fit(double, tol=1e-12, callback=stop)
    assert solution.cancelled
    assert solution.iterations == 2
    assert 0 < after_two[1].passes - after_two[0].passes < 0.5


@pytest.mark.usefixtures("report_each_block")
@pytest.mark.parametrize("regime", [NEWTON, LBFGS], indirect=True, ids=str)
def test_a_fit_that_was_cancelled_once_stays_cancelled(double: Arithmetic, regime: Regime) -> None:
    calls: list[Progress] = []
    regime.fit(double, [1.0, 2.0], tol=1e-2, callback=calls.append)
    for call in range(1, len(calls), max(1, len(calls) // 60)):
        seen: list[Progress] = []

        def stop_once(progress: Progress, call: int = call, seen: list[Progress] = seen) -> bool:
            seen.append(progress)
            return len(seen) == call

        solutions = regime.fit(double, [1.0, 2.0], tol=1e-2, callback=stop_once)
        assert len(seen) == call
        assert all(solution.cancelled for solution in solutions)


def test_no_pass_follows_the_end_that_a_callback_asks_for(double: Arithmetic) -> None:
    (whole,) = LBFGS.fit(double, tol=1e-2)
    for iteration in range(1, whole.iterations):
        seen: list[Progress] = []

        def stop(progress: Progress, iteration: int = iteration, seen: list[Progress] = seen) -> bool:
            seen.append(progress)
            return progress.iteration == iteration

        (found,) = LBFGS.fit(double, tol=1e-2, callback=stop)
        assert found.passes == seen[-1].passes
        assert not found.converged


@pytest.mark.parametrize("call", [1, 3, 20, 40])
def test_a_cancelled_fit_has_a_solution_for_each_model(double: Arithmetic, regime: Regime, call: int) -> None:
    stop = Stop(call)
    solutions = regime.fit(double, [0.1, 1.0, 10.0], tol=1e-12, callback=stop)
    objective = regime.problem().objective(double, [0.1, 1.0, 10.0])
    values, _ = objective.evaluate(np.concatenate([solution.parameters[None] for solution in solutions]))
    assert all(solution.cancelled == (len(stop.seen) == call) for solution in solutions)
    rounding = 1e-5 if regime.single else 1e-9
    np.testing.assert_allclose([solution.objective for solution in solutions], values, rtol=rounding)


def test_a_model_whose_turn_has_not_come_has_not_converged(double: Arithmetic) -> None:
    first, second = NEWTON.fit(double, [1.0, 2.0], callback=Stop(1))
    assert (first.iterations, second.iterations) == (1, 0)
    assert second.cancelled
    assert not second.converged


# Numbers that are too large


@pytest.mark.parametrize("classes", [2, 3])
def test_numbers_too_large_for_double_precision_are_refused(double: Arithmetic, regime: Regime, classes: int) -> None:
    problem = regime.problem(classes)
    huge = replace(problem, X=problem.X * 1e300)
    with pytest.raises(DataError, match="too large to compute with in float64"):
        regime.fit(double, problem=huge)


@pytest.mark.parametrize("factor", [1e25, 1e37])
def test_numbers_too_large_for_single_precision_are_refused_in_it(
    single: Arithmetic, regime: Regime, factor: float
) -> None:
    problem = regime.problem()
    huge = replace(problem, X=problem.X.astype(np.float32) * np.float32(factor))
    with pytest.raises(DataError, match="too large to compute with in float32"):
        regime.fit(single, problem=huge)


@pytest.mark.parametrize("factor", [1e18, 1e20, 1e25, 1e37, 1e60])
@pytest.mark.parametrize("regime", [SINGLE_FIRST], ids=str)
def test_steps_in_single_precision_are_given_up_where_numbers_are_too_large_for_it(
    double: Arithmetic, regime: Regime, factor: float
) -> None:
    problem = regime.problem()
    huge = replace(problem, X=problem.X * factor)
    (expected,) = LBFGS.fit(double, problem=huge)
    (found,) = regime.fit(double, problem=huge)
    assert found.converged
    assert found.objective == pytest.approx(expected.objective)


@pytest.fixture
def no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let class blocks never pay, so that many rows are preconditioned by a diagonal."""
    monkeypatch.setattr("mnistlib.linear.preconditioner.BLOCK_PAYS", 0)


def mixed(problem: Problem) -> Problem:
    """Return a problem whose columns are correlated, and differ in spread."""
    columns = problem.X.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(columns, columns)))[0]
    return replace(problem, X=problem.X / np.arange(1, columns + 1) ** 2 @ rotation)


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize(("rows", "columns"), [(300, 300), (120, 400)])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("C", [1.0, 100.0])
def test_about_as_many_columns_as_rows_that_count_as_many_converge_to_the_optimum(
    double: Arithmetic, rows: int, columns: int, classes: int, C: float
) -> None:
    # Separable: the curvature at zero weights is thousands of times that at the optimum.
    problem = make_problem(rows, columns, classes, noise=0.3)
    (found,) = minimize(problem.objective(double, C), max_iter=300)
    best = find_optimum(problem.X, problem.y, C=C)
    assert found.converged
    assert found.objective == pytest.approx(best.objective, rel=1e-4)


@pytest.mark.usefixtures("many_rows", "no_blocks")
def test_many_rows_without_blocks_reach_the_optimum(double: Arithmetic) -> None:
    problem = mixed(make_problem(20_000, 8, 6))
    (solution,) = minimize(problem.objective(double), tol=1e-6)
    assert solution.converged
    assert solution.objective == pytest.approx(find_optimum(problem.X, problem.y).objective, rel=2e-6)


@pytest.mark.usefixtures("many_rows", "no_blocks")
def test_correlated_columns_cost_no_passes_over_many_rows(double: Arithmetic, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = mixed(make_problem(20_000, 24, 20))
    (along_axes,) = minimize(problem.objective(double, 100.0), tol=1e-6)
    monkeypatch.setattr("mnistlib.linear.descents.axes_of", lambda source, objective: None)
    (plain,) = minimize(problem.objective(double, 100.0), tol=1e-6)
    assert along_axes.passes < 0.7 * plain.passes


@pytest.mark.usefixtures("many_rows", "no_blocks", "report_each_step")
def test_a_diagonal_along_axes_is_made_again_where_a_fit_goes_on(double: Arithmetic) -> None:
    problem = mixed(make_problem(20_000, 8, 6))
    seen: list[Progress] = []
    (solution,) = minimize(problem.objective(double), tol=1e-6, callback=seen.append)
    state = next(progress.state for progress in seen if progress.iteration == 8)
    (resumed,) = minimize(problem.objective(double), tol=1e-6, start=pickle.loads(pickle.dumps(state)))
    np.testing.assert_array_equal(resumed.parameters, solution.parameters)
    assert resumed.passes == solution.passes


def test_a_sample_of_many_classes_has_its_share_of_each(double: Arithmetic) -> None:
    problem = make_problem(60_000, 4, 200)
    sample, _ = sample_of(problem.objective(double), 0)
    assert sample is not None
    assert sample.layout.rows < 0.3 * 60_000
