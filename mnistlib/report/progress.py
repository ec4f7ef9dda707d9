"""Progress of a run: its loss curve, or other metrics with several values."""

from collections.abc import Iterator

from mnistlib.html.charts import Axis, curve, line_chart
from mnistlib.html.elements import Html, element, number
from mnistlib.report.findings import Findings
from mnistlib.report.page import figure, section

_PASSES = Axis("passes over the training images")
_OTHERS = 6  # maximum number of charts of other metrics


def progress_sections(findings: Findings) -> Iterator[Html]:
    """Yield the curves of the solver's objective and gradient, or else of all metrics with several values."""
    if findings.trials:
        # Trials that are trained together share one curve, of the trial that is farthest from convergence. The
        # objective jumps between trials and is useless; the gradient shows the progress of the whole fit.
        title, charts = "Gradient", list(_gradient(findings, "of the trial that is farthest from convergence"))
    elif len(curve(findings.metrics, "objective")) > 1:
        title, charts = "Loss curve", [_loss(findings), *_gradient(findings, "of the loss")]
    else:
        title, charts = "Metrics over time", list(_others(findings))
    if charts:
        yield section(title, element("div", *charts, class_="pair"))


def _loss(findings: Findings) -> Html:
    objective = curve(findings.metrics, "objective")
    fallen = f"from {number(objective[0][1])} to {number(objective[-1][1])}"
    return figure(
        line_chart(objective, x=_PASSES, y=Axis("objective")),
        f"The loss that the solver minimizes: {fallen} in {number(round(objective[-1][0], 1))} passes.",
    )


def _gradient(findings: Findings, owner: str) -> Iterator[Html]:
    gradient = curve(findings.metrics, "gradient_norm")
    if len(gradient) > 1:
        job = findings.trained
        level = (job.tol, f"tolerance {number(job.tol)}") if job is not None else None
        yield figure(
            line_chart(gradient, x=_PASSES, y=Axis("gradient", log=True), level=level),
            f"The gradient {owner}; the fit has converged once it is below the tolerance.",
        )


def _others(findings: Findings) -> Iterator[Html]:
    names = [name for name, values in findings.metrics.items() if len(values) > 1]
    for name in names[:_OTHERS]:
        points = curve(findings.metrics, name, against="")
        yield figure(line_chart(points, x=Axis("step"), y=Axis(name)), f"{name} as logged by the run.")
