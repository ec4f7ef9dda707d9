import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistlib.html.charts import Axis, Points, curve, line_chart, ticks

PLAIN, LOG = Axis("x"), Axis("y", log=True)


def places(chart: str) -> list[tuple[float, float]]:
    (line,) = re.findall(r'points="([^"]*)"', chart)
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]


def test_a_curve_takes_x_values_from_another_metric_of_the_same_step() -> None:
    metrics = {"objective": [(0, 9.0), (1, 4.0), (2, 3.0)], "passes": [(0, 1.0), (2, 5.5)]}
    assert curve(metrics, "objective") == [(1.0, 9.0), (5.5, 3.0)]


def test_without_the_other_metric_the_x_values_are_steps() -> None:
    assert curve({"loss": [(0, 9.0), (5, 4.0)]}, "loss") == [(0, 9.0), (5, 4.0)]
    assert curve({}, "loss") == []


def test_larger_values_lie_further_right_and_higher() -> None:
    (first, second, third) = places(line_chart([(0, 1), (1, 2), (4, 3)], x=PLAIN, y=PLAIN))
    assert first[0] < second[0] < third[0]
    assert first[1] > second[1] > third[1]


def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis() -> None:
    heights = [y for _, y in places(line_chart([(0, 1), (1, 10), (2, 100)], x=PLAIN, y=LOG))]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)


def test_points_that_an_axis_cannot_show_are_left_out() -> None:
    points = [(0, 1.0), (1, 0.0), (2, -1.0), (3, math.nan), (4, math.inf), (5, 2.0)]
    assert len(places(line_chart(points, x=PLAIN, y=LOG))) == 2
    assert line_chart([(0, math.nan)], x=PLAIN, y=PLAIN) == line_chart([], x=PLAIN, y=PLAIN) == ""


def test_the_marked_point_is_in_the_alternative_text() -> None:
    chart = line_chart([(0.1, 5), (1, 7), (10, 6)], x=Axis("rate", log=True), y=Axis("score"), marked=1)
    assert 'aria-label="score against rate: 7 at 1"' in chart


def test_labels_are_escaped() -> None:
    assert "<b>" not in line_chart([(0, 1), (1, 2)], x=Axis("<b>"), y=Axis("<b>"), level=(1.5, "<b>"))


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    drawn = places(line_chart([(x, x) for x in range(100_000)], x=PLAIN, y=PLAIN))
    assert len(drawn) < 1000
    assert drawn[-1] == places(line_chart([(0, 0), (99_999, 99_999)], x=PLAIN, y=PLAIN))[-1]


NUMBERS = st.floats(-1e12, 1e12)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1), st.booleans())
def test_all_points_lie_inside_the_drawing(points: Points, log: bool) -> None:
    chart = line_chart(points, x=PLAIN, y=Axis("y", log=log))
    for x, y in places(chart) if chart else []:
        assert 0 <= x <= 420
        assert 0 <= y <= 250


@given(st.floats(1e-9, 1e9), st.floats(1.001, 1e9), st.booleans())
def test_there_are_a_few_ticks_on_every_axis_and_all_lie_on_it(low: float, ratio: float, log: bool) -> None:
    high = low * ratio
    marks = ticks(low, high, log=log)
    assert 1 <= len(marks) <= 12
    assert all(low * (1 - 1e-9) <= mark <= high * (1 + 1e-9) for mark in marks)
