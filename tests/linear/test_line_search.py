"""The line search: it ends where the Wolfe conditions hold, or reports that there is no step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistlib.linear.line_search import LONG, MOST_TRIES, NOISE, SUFFICIENT_GAIN, LineSearch, Verdict

EPS = float(np.finfo(np.float64).eps)
Function = Callable[[float], tuple[float, float]]


def parabola(bottom: float) -> Function:
    """Return a function of value 1 at 0 with its minimum, 0, there."""
    return lambda length: ((length / bottom - 1) ** 2, 2 * (length / bottom - 1) / bottom)


def search(function: Function, *, slope_left: float = 0.9, precision: float = EPS) -> tuple[Verdict, float, int]:
    """Return the verdict, the last length and the number of tries."""
    value, slope = function(0.0)
    found = LineSearch(value, slope, precision=precision, slope_left=slope_left)
    for tries in range(1, 1000):
        verdict = found.tell(*function(found.length))
        if verdict is not Verdict.ANOTHER_LENGTH:
            return verdict, found.length, tries
    raise AssertionError("no end")


def test_the_first_length_is_one() -> None:
    assert LineSearch(1.0, -1.0, precision=EPS, slope_left=0.9).length == 1


def test_the_first_length_may_be_another() -> None:
    assert LineSearch(1.0, -1.0, precision=EPS, slope_left=0.9, first=2.0).length == 2


@pytest.mark.parametrize("length", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("rate", [0.1, 0.6, 0.7, 1.0])
def test_the_step_after_a_slow_exponential_fall_begins_longer(rate: float, length: float) -> None:
    found = LineSearch(1.0, -rate, precision=EPS, slope_left=0.99, first=length)
    slope = -rate * float(np.exp(-rate * length))
    assert found.tell(float(np.exp(-rate * length)), slope) is Verdict.ACCEPTED
    assert found.next_first_length(slope) == (LONG if rate < 0.65 else 1)


@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.6])
def test_the_step_after_one_that_has_come_near_the_bottom_or_beyond_begins_as_usual(slope: float) -> None:
    found = LineSearch(1.0, -1.0, precision=EPS, slope_left=0.9)
    assert found.tell(0.5, slope) is Verdict.ACCEPTED
    assert found.next_first_length(slope) == 1


def test_the_step_after_one_whose_lengths_were_too_far_begins_as_usual() -> None:
    found = LineSearch(1.0, -1.0, precision=EPS, slope_left=0.9)
    assert found.tell(2.0, 1.0) is Verdict.ANOTHER_LENGTH
    assert found.tell(0.9, -0.85) is Verdict.ACCEPTED
    assert found.next_first_length(-0.85) == 1


def test_tries_are_counted() -> None:
    found = LineSearch(1.0, -1.0, precision=EPS, slope_left=0.9)
    found.tell(2.0, 1.0)
    found.tell(0.5, 0.0)
    assert found.tries == 2


def test_a_good_first_length_is_accepted() -> None:
    assert search(parabola(1.0)) == (Verdict.ACCEPTED, 1.0, 1)


@given(st.floats(-3, 3), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_wolfe_conditions_hold_where_a_step_ends(exponent: float, slope_left: float) -> None:
    function = parabola(10**exponent)
    verdict, length, _ = search(function, slope_left=slope_left)
    (value, slope), (value_there, slope_there) = function(0.0), function(length)
    assert verdict is Verdict.ACCEPTED
    assert value_there <= value + SUFFICIENT_GAIN * length * slope
    assert abs(slope_there) <= slope_left * abs(slope)


@given(st.floats(-3, -1.5))
def test_the_bottom_of_a_parabola_is_found_from_a_length_beyond_it(exponent: float) -> None:
    bottom = 10**exponent
    verdict, length, tries = search(parabola(bottom), slope_left=1e-3)
    assert verdict is Verdict.ACCEPTED
    assert length == pytest.approx(bottom, rel=1e-3)
    assert tries <= 4 + np.ceil(-exponent)  # a try goes down to a tenth at most


def test_a_length_that_is_too_short_grows() -> None:
    verdict, length, tries = search(parabola(100.0), slope_left=0.5)
    assert verdict is Verdict.ACCEPTED
    assert (length, tries) == (81, 5)


@pytest.mark.parametrize("overflow", [np.inf, np.nan])
def test_a_value_that_is_not_finite_is_too_far(overflow: float) -> None:
    def function(length: float) -> tuple[float, float]:
        return parabola(0.1)(length) if length < 0.5 else (overflow, overflow)

    verdict, length, _ = search(function)
    assert verdict is Verdict.ACCEPTED
    assert 0 < length < 0.5


def test_a_slope_that_is_not_finite_is_too_far() -> None:
    def function(length: float) -> tuple[float, float]:
        value, slope = parabola(0.1)(length)
        return (value, slope) if length < 0.5 else (0.0, np.nan)

    verdict, length, _ = search(function)
    assert verdict is Verdict.ACCEPTED
    assert 0 < length < 0.5


def test_there_is_no_step_where_nothing_gains() -> None:
    verdict, _, tries = search(lambda length: (2.0 if length else 1.0, -1.0))
    assert verdict is Verdict.NO_STEP
    assert tries == MOST_TRIES


def test_the_last_try_is_accepted_where_it_gains() -> None:
    verdict, _, tries = search(lambda length: (1 - length, -1.0))
    assert verdict is Verdict.ACCEPTED
    assert tries == MOST_TRIES


def test_a_rise_within_rounding_is_no_rise() -> None:
    function = LineSearch(1.0, -1e-20, precision=EPS, slope_left=0.9)
    assert function.tell(1.0 + NOISE * EPS, 0.0) is Verdict.ACCEPTED


def test_a_rise_beyond_rounding_is_one() -> None:
    function = LineSearch(1.0, -1e-20, precision=EPS, slope_left=0.9)
    assert function.tell(1.0 + 2 * NOISE * EPS, 0.0) is Verdict.ANOTHER_LENGTH


def test_the_second_try_is_the_last_where_rounding_hides_the_difference() -> None:
    found = LineSearch(1.0, -1e-20, precision=EPS, slope_left=0.1)
    assert found.tell(1.0, 1e-19) is Verdict.ANOTHER_LENGTH
    assert found.tell(1.0, 1e-19) is Verdict.ACCEPTED


@given(st.floats(-2, 2), st.floats(0.1, 3), st.floats(0.1, 0.9))
def test_convex_functions_that_are_no_parabolas_are_stepped_down(
    exponent: float, power: float, slope_left: float
) -> None:
    bottom = 10**exponent

    def function(length: float) -> tuple[float, float]:
        from_bottom = length / bottom - 1
        return abs(from_bottom) ** (1 + power), (1 + power) * abs(from_bottom) ** power * np.sign(from_bottom) / bottom

    verdict, length, tries = search(function, slope_left=slope_left)
    assert verdict is Verdict.ACCEPTED
    assert function(length)[0] < 1
    assert tries <= MOST_TRIES
