"""Overview of a sweep: the metric of each trial."""

from collections.abc import Callable, Iterator

from mnistlib.html.charts import Axis, line_chart
from mnistlib.html.elements import Html, element, number, percent, table
from mnistlib.jobs import Sweep
from mnistlib.report.findings import Findings
from mnistlib.report.page import figure, section


def sweep_sections(findings: Findings, sweep: Sweep) -> Iterator[Html]:
    """Yield the chart and the table of a sweep's trials, and name the best."""
    metric = sweep.primary_metric
    yield element(
        "div",
        section(
            f"{metric.capitalize() if metric == 'accuracy' else metric} against {_name(sweep)}",
            _chart(findings, sweep),
        ),
        section("Trials", _table(findings, sweep), *_failures(findings, sweep)),
        class_="pair",
    )
    if findings.best is not None:
        best = findings.trials[findings.best]
        yield element(
            "h2",
            f"Best trial: {_name(sweep)} {number(_value(sweep, best))}",
            element("small", f"run {best.run.id}, evaluated on the test images"),
            class_="chapter",
        )


def _chart(findings: Findings, sweep: Sweep) -> Html:
    metric = sweep.primary_metric
    scored = sorted(
        (_value(sweep, trial), trial.metrics.latest[metric], position)
        for position, trial in enumerate(findings.trials)
        if metric in trial.metrics.latest
    )
    marked = next((place for place, (_, _, position) in enumerate(scored) if position == findings.best), None)
    return figure(
        line_chart(
            [(value, score) for value, score, _ in scored],
            x=Axis(_name(sweep), log=all(value > 0 for value, _, _ in scored)),
            y=Axis(f"validation {metric}", write=_writer(metric)),
            marked=marked,
            dots=True,
        ),
        f"Each point is a model; the best was chosen on held-out training images ({sweep.goal} {metric}). "
        "Only the best model was scored on the test images.",
    )


def _table(findings: Findings, sweep: Sweep) -> Html:
    metric = sweep.primary_metric
    write = _writer(metric)
    rows = []
    for position, trial in enumerate(findings.trials):
        latest = trial.metrics.latest
        rows.append(
            [
                number(_value(sweep, trial)),
                write(latest[metric]) if metric in latest else "—",
                number(latest["iterations"]) if "iterations" in latest else "—",
                _remark(trial, best=position == findings.best),
                element("code", trial.run.id),
            ]
        )
    headers = [f">{_name(sweep)}", f">{metric}", ">iterations", "status", "run"]
    return element("div", table(headers, rows, class_="children"), class_="scroll")


def _failures(findings: Findings, sweep: Sweep) -> Iterator[Html]:
    for trial in findings.trials:
        if trial.record.error:
            failed = f"The trial with {_name(sweep)} {number(_value(sweep, trial))} failed: {trial.record.error}"
            yield element("p", failed, class_="note bad")


def _remark(trial: Findings, *, best: bool) -> Html:
    if best:
        return element("b", "best", class_="badge completed")
    converged = trial.record.converged
    return element("span", "NOT CONVERGED" if converged is False else trial.status)


def _name(sweep: Sweep) -> str:
    return sweep.parameter.replace("_", " ")


def _value(sweep: Sweep, trial: Findings) -> float:
    return float(getattr(trial.job, sweep.parameter))


def _writer(metric: str) -> Callable[[float], str]:
    return percent if metric == "accuracy" else number
