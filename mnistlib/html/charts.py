"""Line charts as inline SVG, without scripts, fonts or separate files.

Lines and text inherit the colour and the font of the page, so a chart fits light and dark pages.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mnistlib.html.elements import Html, element, number

Points = Sequence[tuple[float, float]]

#: Colour of curves, visible on light and dark pages.
ACCENT = "#3b82f6"

_WIDTH, _HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 404, 34, 206
_MOST_POINTS = 600  # more points would exceed the resolution of a screen
_FAINT = 0.12
_MUTED = 0.65


@dataclass(frozen=True)
class Axis:
    """Axis of a chart."""

    label: str  # name of the quantity
    log: bool = False  # whether the axis is logarithmic
    write: Callable[[float], str] = number  # formats a value


@dataclass(frozen=True)
class _Scale:
    """Mapping from the values of an axis to positions in the drawing."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 1)


def curve(metrics: Mapping[str, Points], name: str, *, against: str = "passes") -> list[tuple[float, float]]:
    """Return the points of a metric for a chart.

    Parameters
    ----------
    metrics : mapping of str to sequence of (step, value)
        The metrics of a run.
    name : str
        Name of the metric.
    against : str, default "passes"
        Metric for the x axis; if the run lacks it, the x axis shows the steps.

    Examples
    --------
    >>> curve({"objective": [(0, 9.0), (1, 4.0)], "passes": [(0, 1.0), (1, 2.5)]}, "objective")
    [(1.0, 9.0), (2.5, 4.0)]
    """
    values = metrics.get(name, ())
    if against not in metrics:
        return list(values)
    places = dict(metrics[against])
    return [(places[step], value) for step, value in values if step in places]


def line_chart(
    points: Points,
    *,
    x: Axis,
    y: Axis,
    marked: int | None = None,
    level: tuple[float, str] | None = None,
    dots: bool = False,
) -> Html:
    """Draw a curve.

    Parameters
    ----------
    points : sequence of (float, float)
        In drawing order. Points that an axis can't show are left out: not finite, or not above 0 on a logarithmic
        axis.
    x, y : Axis
        The axes.
    marked : int, optional
        Index of the point that is labelled with its value; default: the last.
    level : (float, str), optional
        Value and label of a dashed horizontal line.
    dots : bool, default False
        Whether to draw each point.

    Returns
    -------
    Html
        An ``<svg>`` as wide as its parent element; empty if there is no point to draw.
    """
    if marked is None:
        marked = len(points) - 1
    shown = [point for point in points if _can_show(point[0], x) and _can_show(point[1], y)]
    if not shown:
        return Html()
    best = points[marked] if points[marked] in shown else shown[-1]
    heights = [value for _, value in shown]
    if level is not None and _can_show(level[0], y):
        heights.append(level[0])
    across = _scale([place for place, _ in shown], x, _LEFT, _RIGHT, margin=0.04 if dots else 0)
    up = _scale(heights, y, _BOTTOM, _TOP, margin=0.08 if level is None else 0.16)
    drawn = [(across(place), up(value)) for place, value in _thinned(shown)]
    return element(
        "svg",
        _grid(across, up, x, y),
        _level(level, up) if level is not None and _can_show(level[0], y) else "",
        element(
            "polyline",
            points=" ".join(f"{place:g},{height:g}" for place, height in drawn),
            fill="none",
            stroke=ACCENT,
            stroke_width=2,
            stroke_linejoin="round",
        ),
        *(element("circle", cx=place, cy=height, r=3, fill=ACCENT) for place, height in drawn if dots),
        _mark(across(best[0]), up(best[1]), y.write(best[1]), below=level is not None and best[1] < level[0]),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        width="100%",
        font_size=12,
        fill="currentColor",
        role="img",
        aria_label=f"{y.label} against {x.label}: {y.write(best[1])} at {x.write(best[0])}",
    )


def ticks(low: float, high: float, *, log: bool = False) -> list[float]:
    """Return round tick values of an axis from `low` to `high`.

    Examples
    --------
    >>> ticks(0, 47)
    [0.0, 10.0, 20.0, 30.0, 40.0]
    >>> ticks(0.01, 20, log=True)
    [0.01, 0.1, 1.0, 10.0]
    """
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for mantissas in ((1,), (1, 3), (1, 2, 5)):
            marks = [
                float(f"{mantissa}e{decade}")
                for decade in decades
                for mantissa in mantissas
                if low <= float(f"{mantissa}e{decade}") <= high
            ]
            if len(marks) >= 3:
                return marks[:: math.ceil(len(marks) / 6)]
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{position * step:.12g}") for position in range(first, last + 1)]


def _can_show(value: float, axis: Axis) -> bool:
    # Within these limits, ratios of values and the margin around them stay in the range of floats.
    return 1e-150 < value < 1e150 if axis.log else math.isfinite(value)


def _scale(values: Sequence[float], axis: Axis, start: float, end: float, *, margin: float) -> _Scale:
    low, high = min(values), max(values)
    if axis.log:
        room = (high / low) ** margin if high > low else 2
        return _Scale(low / room, high * room, start, end, log=True)
    room = (high - low) * margin if high > low else abs(high) * 0.1 or 1
    return _Scale(low - room, high + room, start, end, log=False)


def _thinned(points: Points) -> Points:
    every = math.ceil(len(points) / _MOST_POINTS)
    return [*points[:-1:every], points[-1]]


def _grid(across: _Scale, up: _Scale, x: Axis, y: Axis) -> Html:
    """Draw the grid lines, numbers and labels of both axes."""
    levels = [(up(value), y.write(value)) for value in ticks(up.low, up.high, log=y.log)]
    places = [(across(value), x.write(value)) for value in ticks(across.low, across.high, log=x.log)]
    line = {"stroke": "currentColor", "stroke_opacity": _FAINT}
    return element(
        "g",
        *(element("line", x1=_LEFT, x2=_RIGHT, y1=height, y2=height, **line) for height, _ in levels),
        *(element("text", text, x=_LEFT - 8, y=height + 4, text_anchor="end") for height, text in levels),
        *(element("text", text, x=place, y=_BOTTOM + 18, text_anchor="middle") for place, text in places),
        element("text", y.label, x=0, y=14, font_weight=600),
        element("text", x.label, x=_RIGHT, y=_HEIGHT - 6, text_anchor="end", font_weight=600),
        fill_opacity=_MUTED,
    )


def _level(level: tuple[float, str], up: _Scale) -> Html:
    height = up(level[0])
    return element(
        "g",
        element(
            "line",
            x1=_LEFT,
            x2=_RIGHT,
            y1=height,
            y2=height,
            stroke="currentColor",
            stroke_opacity=_MUTED,
            stroke_dasharray="4 4",
        ),
        element("text", level[1], x=_LEFT + 4, y=height - 6, fill_opacity=_MUTED),
    )


def _mark(place: float, height: float, text: str, *, below: bool) -> Html:
    """Draw a point with its value, placed inside the drawing and off the dashed line."""
    nearly = 0.15 * (_RIGHT - _LEFT)
    anchor = "end" if place > _RIGHT - nearly else "start" if place < _LEFT + nearly else "middle"
    return element(
        "g",
        element("circle", cx=place, cy=height, r=5, fill=ACCENT, stroke="currentColor", stroke_width=1.5),
        element("text", text, x=place, y=height + (20 if below else -11), text_anchor=anchor, font_weight=700),
    )
