"""How a run went on: its loss curve, or whatever else it has logged more than once."""

from collections.abc import Iterator

from mnistlib.charts import Axis, curve, line_chart
from mnistlib.html import Html, element, number
from mnistlib.report.findings import Findings
from mnistlib.report.page import figure, section
from mnistlib.runs import Metrics

_PASSES = Axis("passes over the training images")
_OTHERS = 6  # charts of metrics that nobody here knows


def progress_sections(findings: Findings) -> Iterator[Html]:
    """Yield the curves of a run: of a solver's objective and gradient, else of every metric with several values."""
    metrics, whose = _metrics(findings)
    if len(curve(metrics, "objective")) > 1:
        yield section("Loss curve", element("div", *_loss(findings, metrics, whose), class_="pair"))
        return
    charts = [
        figure(line_chart(curve(metrics, name, against=""), x=Axis("step"), y=Axis(name)), f"{name} as it was logged.")
        for name in metrics
        if len(metrics[name]) > 1
    ][:_OTHERS]
    if charts:
        yield section("Metrics on the way", element("div", *charts, class_="pair"))


def _metrics(findings: Findings) -> tuple[Metrics, str]:
    """Return the metrics with the loss curve of the model, and whose they are: rates trained together share one."""
    if findings.best is None:
        return findings.metrics, ""
    winner = findings.children[findings.best].metrics
    return (winner, "") if "objective" in winner else (findings.metrics, ", all rates together")


def _loss(findings: Findings, metrics: Metrics, whose: str) -> Iterator[Html]:
    objective = curve(metrics, "objective")
    fallen = f"from {number(objective[0][1])} to {number(objective[-1][1])}"
    yield figure(
        line_chart(objective, x=_PASSES, y=Axis("objective")),
        f"The loss that the solver makes small{whose}: {fallen} in {number(round(objective[-1][0], 1))} passes.",
    )
    gradient = curve(metrics, "gradient_norm")
    if gradient:
        job = findings.trained
        level = (job.tol, f"tolerance {number(job.tol)}") if job is not None else None
        yield figure(
            line_chart(gradient, x=_PASSES, y=Axis("gradient", log=True), level=level),
            "How steep the loss still is; the fit has converged where this is below the tolerance.",
        )
