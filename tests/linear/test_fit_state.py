"""The state of a fit as one value: a stored fit goes on with the same bits."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.progress import FitState, Progress
from tests.linear.conftest import LBFGS, MANY, MANY_WITHOUT_SAMPLE, NEWTON, SINGLE_FIRST, Problem, Regime, make_problem

TOL = 1e-6


def stored(state: FitState | None) -> FitState:
    """Return a state as another process reads it."""
    assert state is not None
    again = pickle.loads(pickle.dumps(state))
    assert isinstance(again, FitState)
    return again


def stopped_at(iteration: int) -> tuple[Callable[[Progress], bool], list[Progress]]:
    """Return a callback that ends a fit after a step, and the list in which it keeps the progress."""
    last: list[Progress] = []

    def stop(progress: Progress) -> bool:
        last[:] = [progress]
        return progress.iteration == iteration

    return stop, last


def states_of(regime: Regime, arithmetic: Arithmetic, C: npt.ArrayLike = 1.0) -> list[FitState]:
    """Return the state at each call of the callback."""
    states: list[FitState] = []
    regime.fit(arithmetic, C, tol=TOL, callback=lambda progress: states.append(stored(progress.state)))
    return states


@pytest.fixture
def report_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call callbacks after each block, of which 300 rows have five."""
    monkeypatch.setattr("mnistlib.linear.progress.REPORT_EVERY", 0.0)
    monkeypatch.setattr("mnistlib.linear.rows.BLOCK_ROWS", (64, 64))


def test_unfinished_models_are_not_judged_by_the_stored_state(double: Arithmetic) -> None:
    for state in states_of(LBFGS, double, [1.0, 2.0]):
        solutions = LBFGS.fit(double, [1.0, 2.0], tol=TOL, start=state, callback=lambda _: True)
        for solution, of_model in zip(solutions, state.models, strict=True):
            if of_model.newton is None:
                assert not solution.converged
            elif not of_model.newton.finished:
                assert not solution.converged or solution.iterations > of_model.newton.iteration


def test_a_fit_that_was_stopped_after_any_step_goes_on_to_the_same_bits(double: Arithmetic, regime: Regime) -> None:
    (whole,) = regime.fit(double, tol=TOL)
    for iteration in range(1, whole.iterations + 1):
        stop, last = stopped_at(iteration)
        regime.fit(double, tol=TOL, callback=stop)
        (resumed,) = regime.fit(double, tol=TOL, start=stored(last[0].state))
        np.testing.assert_array_equal(resumed.parameters, whole.parameters)
        assert resumed.iterations == whole.iterations


@pytest.mark.usefixtures("many_rows")
def test_a_fit_in_single_precision_goes_on_to_the_same_bits(single: Arithmetic) -> None:
    (whole,) = MANY.fit(single, tol=1e-5)
    for iteration in range(1, whole.iterations):
        stop, last = stopped_at(iteration)
        MANY.fit(single, tol=1e-5, callback=stop)
        (resumed,) = MANY.fit(single, tol=1e-5, start=stored(last[0].state))
        np.testing.assert_array_equal(resumed.parameters, whole.parameters)


@pytest.mark.parametrize("columns", [5, 30])
def test_a_fit_of_two_classes_goes_on_to_the_same_bits(double: Arithmetic, columns: int) -> None:
    problem = make_problem(300, columns, 2)
    for regime in (NEWTON, SINGLE_FIRST):
        (whole,) = regime.fit(double, problem=problem, tol=TOL)
        for iteration in range(1, whole.iterations + 1, 2):
            stop, last = stopped_at(iteration)
            regime.fit(double, problem=problem, tol=TOL, callback=stop)
            (resumed,) = regime.fit(double, problem=problem, tol=TOL, start=stored(last[0].state))
            np.testing.assert_array_equal(resumed.parameters, whole.parameters)


@pytest.mark.usefixtures("many_rows")
def test_a_fit_with_rows_drawn_by_their_position_goes_on_to_the_same_bits(double: Arithmetic) -> None:
    few = make_problem(200, 8, 3)  # of each row, so many copies that they are drawn separately
    copies = Problem(np.repeat(few.X, 100, axis=0), np.repeat(few.y, 100), 3)
    (whole,) = MANY.fit(double, problem=copies, tol=TOL)
    for iteration in range(1, whole.iterations):
        stop, last = stopped_at(iteration)
        MANY.fit(double, problem=copies, tol=TOL, callback=stop)
        (resumed,) = MANY.fit(double, problem=copies, tol=TOL, start=stored(last[0].state))
        np.testing.assert_array_equal(resumed.parameters, whole.parameters)


@pytest.mark.usefixtures("report_each_block")
@pytest.mark.parametrize("regime", [NEWTON, LBFGS, SINGLE_FIRST, MANY_WITHOUT_SAMPLE], indirect=True, ids=str)
def test_a_fit_that_was_stopped_inside_a_pass_goes_on_to_the_same_bits(double: Arithmetic, regime: Regime) -> None:
    (whole,) = regime.fit(double, tol=TOL)
    states = states_of(regime, double)
    for state in states[:: max(1, len(states) // 40)]:
        (resumed,) = regime.fit(double, tol=TOL, start=state)
        np.testing.assert_array_equal(resumed.parameters, whole.parameters)


@pytest.mark.usefixtures("report_each_block")
@pytest.mark.parametrize("regime", [LBFGS, MANY_WITHOUT_SAMPLE], indirect=True, ids=str)
def test_a_fit_that_was_stopped_while_a_preconditioner_is_made_goes_on_to_the_same_bits(
    double: Arithmetic, regime: Regime
) -> None:
    (whole,) = regime.fit(double, tol=TOL)
    made_after = 1 if regime.many else 6
    calls: list[Progress] = []
    regime.fit(double, tol=TOL, callback=calls.append)
    # The last step that is whole is the one before.
    while_made = [progress for progress in calls if progress.iteration == made_after - 1][-5:]
    for progress in while_made:
        (resumed,) = regime.fit(double, tol=TOL, start=stored(progress.state))
        np.testing.assert_array_equal(resumed.parameters, whole.parameters)


def test_the_state_is_that_of_the_iteration_reported(double: Arithmetic, regime: Regime) -> None:
    seen: list[Progress] = []
    regime.fit(double, tol=TOL, callback=seen.append)
    for progress in seen:
        assert progress.state is not None
        (model,) = progress.state.models
        state = model.newton or model.descent
        assert state is not None
        assert state.iteration == progress.iteration


def test_a_state_does_not_change_while_the_fit_goes_on(double: Arithmetic, regime: Regime) -> None:
    kept: list[tuple[FitState | None, bytes]] = []
    regime.fit(double, tol=TOL, callback=lambda progress: kept.append((progress.state, pickle.dumps(progress.state))))
    for state, at_first in kept:
        assert pickle.dumps(state) == at_first


def test_a_fit_that_goes_on_counts_the_passes_before(double: Arithmetic, regime: Regime) -> None:
    (whole,) = regime.fit(double, tol=TOL)
    stop, last = stopped_at(3)
    regime.fit(double, tol=TOL, callback=stop)
    (resumed,) = regime.fit(double, tol=TOL, start=stored(last[0].state))
    again = 0 if last[0].state is None or last[0].state.models[0].newton is None else 3  # to evaluate the stored points
    assert whole.passes <= resumed.passes <= whole.passes + again


def test_the_iterations_before_count_for_the_limit(double: Arithmetic, regime: Regime) -> None:
    stop, last = stopped_at(2)
    regime.fit(double, tol=TOL, callback=stop)
    (resumed,) = regime.fit(double, tol=TOL, max_iter=3, start=stored(last[0].state))
    (limited,) = regime.fit(double, tol=TOL, max_iter=3)
    assert resumed.iterations == 3
    np.testing.assert_array_equal(resumed.parameters, limited.parameters)


def test_a_finished_fit_stays_as_it_is(double: Arithmetic, regime: Regime) -> None:
    seen: list[Progress] = []
    (whole,) = regime.fit(double, tol=TOL, callback=seen.append)
    (resumed,) = regime.fit(double, tol=TOL, start=stored(seen[-1].state))
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)
    assert resumed.converged
    assert resumed.iterations == whole.iterations
    assert resumed.passes <= whole.passes + 1  # for the objective


def test_a_fit_whose_numbers_are_too_large_for_single_precision_goes_on_to_the_same_bits(double: Arithmetic) -> None:
    problem = SINGLE_FIRST.problem()
    huge = replace(problem, X=problem.X * 1e40)
    (whole,) = SINGLE_FIRST.fit(double, problem=huge, tol=TOL)
    for iteration in (2, 8):
        stop, last = stopped_at(iteration)
        SINGLE_FIRST.fit(double, problem=huge, tol=TOL, callback=stop)
        (resumed,) = SINGLE_FIRST.fit(double, problem=huge, tol=TOL, start=stored(last[0].state))
        np.testing.assert_array_equal(resumed.parameters, whole.parameters)


def test_a_fit_of_several_models_goes_on_to_the_same_models(double: Arithmetic, regime: Regime) -> None:
    values = [0.1, 1.0, 10.0]
    whole = regime.fit(double, values, tol=TOL)
    states = states_of(regime, double, values)
    for state in states[:: max(1, len(states) // 12)]:
        for one, other in zip(whole, regime.fit(double, values, tol=TOL, start=state), strict=True):
            assert other.converged
            assert other.objective == pytest.approx(one.objective, rel=1e-5 if regime.many else 1e-10)


@pytest.mark.usefixtures("report_each_block")
@pytest.mark.parametrize("regime", [LBFGS, SINGLE_FIRST], indirect=True, ids=str)
def test_a_fit_of_several_models_that_goes_on_can_be_stopped_at_once(double: Arithmetic, regime: Regime) -> None:
    C = [0.1, 1.0, 10.0]
    for state in states_of(regime, double, C)[1::7]:
        seen: list[Progress] = []

        def stop(progress: Progress, seen: list[Progress] = seen) -> bool:
            seen.append(progress)
            return True

        solutions = regime.fit(double, C, tol=TOL, start=state, callback=stop)
        assert len(solutions) == 3
        assert all(progress.passes >= state.passes for progress in seen)
        assert all(stored(progress.state).passes >= state.passes for progress in seen)


def test_small_models_that_take_turns_go_on_to_the_same_bits(double: Arithmetic) -> None:
    values = [0.1, 1.0, 10.0]
    whole = NEWTON.fit(double, values, tol=TOL)
    for state in states_of(NEWTON, double, values):
        for one, other in zip(whole, NEWTON.fit(double, values, tol=TOL, start=state), strict=True):
            np.testing.assert_array_equal(other.parameters, one.parameters)


def test_a_fit_that_goes_on_can_be_stopped_again(double: Arithmetic, regime: Regime) -> None:
    values = [0.1, 1.0]
    whole = regime.fit(double, values, tol=TOL)
    state: FitState | None = None
    for _ in range(200):
        seen: list[Progress] = []

        def stop(progress: Progress, seen: list[Progress] = seen) -> bool:
            seen.append(progress)
            return True

        solutions = regime.fit(double, values, tol=TOL, start=state, callback=stop)
        if not seen:
            break
        state = stored(seen[-1].state)
    assert not any(solution.cancelled for solution in solutions)
    for one, other in zip(whole, solutions, strict=True):
        assert other.objective == pytest.approx(one.objective, rel=1e-5 if regime.many else 1e-9)
