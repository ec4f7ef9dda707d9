"""Sections of a report, from the most to the least important facts."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from mnistlib.html.elements import Html, duration, element, facts, number, percent
from mnistlib.report.findings import Findings
from mnistlib.report.model import model_sections
from mnistlib.report.page import Headline, section
from mnistlib.report.progress import progress_sections
from mnistlib.report.sweep import sweep_sections
from mnistlib.runs import RunStatus

_LOG_LINES = 60


def headline(findings: Findings) -> Headline:
    """Return the header: kind and status of the run, and its most important figures."""
    kind = findings.job.title if findings.job is not None else "run"
    record = findings.record
    about = [f"experiment {findings.run.experiment}", f"run {findings.run.id}"]
    if record is not None:
        when = datetime.fromisoformat(record.created)
        about.append(f"{when.day} {when:%B %Y, %H:%M} UTC")
        about += [f"{key}: {value}" for key, value in record.tags.items()]
    return Headline(
        title=_title(findings),
        name=findings.run.name or "",
        kind=kind,
        status=findings.status,
        facts=about,
        tiles=list(_tiles(findings)),
    )


def make_sections(findings: Findings) -> list[Html]:
    """Return the sections of a report, in reading order."""
    sections = [*_problems(findings)]
    if findings.sweep:
        sections += sweep_sections(findings, findings.sweep)
    sections += [*progress_sections(findings), *model_sections(findings), *_provenance(findings), *_log(findings)]
    return sections


def _title(findings: Findings) -> str:
    job = findings.trained
    accuracy = findings.metrics.latest.get("accuracy")
    if job is not None and accuracy is not None:
        return f"{job.dataset}: {percent(accuracy)} of the {findings.judged_on} images recognised"
    if findings.status is RunStatus.COMPLETED:
        return f"{findings.run.name or findings.run.id} completed"
    state = f"is {findings.status}" if not findings.status.ended else f"{_past_tense(findings.status)}"
    return f"{findings.run.name or findings.run.id} {state}"


def _past_tense(status: RunStatus) -> str:
    return "was cancelled" if status is RunStatus.CANCELLED else str(status)


def _tiles(findings: Findings) -> Iterator[tuple[str, object, str]]:
    """Yield the most important figures as label, value and remark."""
    latest = findings.metrics.latest
    if "accuracy" in latest:
        yield "accuracy", percent(latest["accuracy"]), _wrong_of_total(findings)
    converged = findings.record.converged
    if converged is None and "converged" in latest:
        converged = bool(latest["converged"])
    if converged is not None:
        value = "converged" if converged else element("span", "NOT CONVERGED", class_="bad")
        yield "solver", value, _iterations(findings)
    job = findings.trained
    if job is not None:
        of_sweep = findings.sweep is not None
        yield (
            "best regularization" if of_sweep else "regularization",
            number(job.regularization),
            f"solver {job.solver}",
        )
    seconds = _seconds(findings)
    if seconds is not None:
        fit = latest.get("fit_seconds")
        yield "duration", duration(seconds), f"{duration(fit)} of it fitting" if fit is not None else ""


def _wrong_of_total(findings: Findings) -> str:
    if findings.judgement is None:
        return ""
    evaluation = findings.judgement.evaluation
    wrong = evaluation.count - round(evaluation.accuracy * evaluation.count)
    return f"{wrong:,} of {evaluation.count:,} wrong"


def _iterations(findings: Findings) -> str:
    latest = _of_best(findings).metrics.latest
    passes = findings.metrics.latest.get("passes")
    parts = [f"{latest['iterations']:,.0f} iterations"] if "iterations" in latest else []
    return ", ".join([*parts, f"{number(round(passes, 1))} passes"] if passes is not None else parts)


def _of_best(findings: Findings) -> Findings:
    return findings if findings.best is None else findings.trials[findings.best]


def _seconds(findings: Findings) -> float | None:
    record = findings.record
    if record.started is None or record.ended is None:
        return findings.metrics.latest.get("fit_seconds")
    return (datetime.fromisoformat(record.ended) - datetime.fromisoformat(record.started)).total_seconds()


def _problems(findings: Findings) -> Iterator[Html]:
    """Yield notes on errors and missing parts, and the log of a run that did not complete."""
    error = findings.record.error
    if findings.status is RunStatus.FAILED:
        yield element("p", element("strong", "Failed. "), error or "The run has no error message.", class_="note bad")
    for reason in findings.missing:
        yield element("p", reason, class_="note")
    if findings.status is not RunStatus.COMPLETED and findings.log:
        yield section("Log: last lines", element("pre", "\n".join(findings.log.splitlines()[-_LOG_LINES:])))


def _provenance(findings: Findings) -> Iterator[Html]:
    """Yield job, metrics, versions and digests, which are needed to repeat the run."""
    parts = []
    if findings.job is not None:
        content = {"type": findings.job.type} | asdict(findings.job)
        base = content.pop("base", {})
        options = content | {key: base[key] for key in base if key not in content}
        pairs = [(key.replace("_", " "), _written(value)) for key, value in options.items()]
        parts.append(_card("Job", facts(pairs)))
    latest = findings.metrics.latest
    if latest:
        parts.append(_card("Metrics", facts([(key.replace("_", " "), number(latest[key])) for key in latest])))
    description = findings.description
    if description is not None:
        parts.append(_card("Versions", facts(description.versions.items())))
        digests = [*description.digests.items(), ("model", description.sha256)]
        rows = [(key, element("code", value)) for key, value in digests]
        parts.append(_card("SHA-256 of data and model", facts(rows), class_="card wide"))
    if parts:
        yield section("Job and origin", element("div", *parts, class_="cards"))


def _card(title: str, content: Html, *, class_: str = "card") -> Html:
    return element("div", element("h3", title), content, class_=class_)


def _written(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        # Names only: a script's environment may hold passwords, and reports are shared.
        return ", ".join(value) or "—"
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value)) or "—"
    return str(value)


def _log(findings: Findings) -> Iterator[Html]:
    """Yield the log of a completed run; for other runs, the log comes first."""
    if findings.status is RunStatus.COMPLETED and findings.log:
        lines = findings.log.splitlines()
        title = "Log" if len(lines) <= _LOG_LINES else f"Log: last {_LOG_LINES} of {len(lines):,} lines"
        yield section(title, element("pre", "\n".join(lines[-_LOG_LINES:])))
