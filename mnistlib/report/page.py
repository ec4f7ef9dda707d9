"""HTML page of a report: layout, colours, print style."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from string import Template

from mnistlib._version import __version__
from mnistlib.html.elements import Html, element, escape, join
from mnistlib.runs import RunStatus


@dataclass(frozen=True)
class Headline:
    """Header of a report."""

    title: str  # result of the run, in a sentence
    name: str  # of the run; may be empty
    kind: str  # of its job
    status: RunStatus
    facts: Sequence[str]  # experiment, id, date and tags
    tiles: Sequence[tuple[str, object, str]]  # the most important figures: label, value (text or Html), remark


def make_page(headline: Headline, sections: Sequence[Html]) -> str:
    """Return the whole text of an HTML file.

    Its content security policy forbids scripts and requests, so that even an escaping bug would be harmless.
    """
    today = datetime.now(UTC)
    written = f"Written by mnistlib {__version__} on {today.day} {today:%B %Y}"
    return Template(_resource("page.html")).substitute(
        title=escape(headline.title),
        style=_resource("page.css"),
        header=_header(headline),
        sections=join(sections),
        footer=element("footer", written),
    )


def section(title: str, *content: object) -> Html:
    """Return one section of a page."""
    return element("section", element("h2", title), *content)


def figure(content: Html, caption: object, *, class_: str | None = None) -> Html:
    """Return a figure with a caption below."""
    return element("figure", content, element("figcaption", caption), class_=class_)


def _header(headline: Headline) -> Html:
    tiles = [
        element("div", element("dt", label), element("dd", value, element("small", remark) if remark else ""))
        for label, value, remark in headline.tiles
    ]
    return element(
        "header",
        element(
            "p",
            element("span", headline.status, class_=f"badge {headline.status}"),
            element("span", headline.kind, f" · {headline.name}" if headline.name else ""),
            class_="eyebrow",
        ),
        element("h1", headline.title),
        element("p", *(element("span", fact) for fact in headline.facts), class_="facts"),
        element("dl", *tiles, class_="tiles") if tiles else "",
    )


def _resource(name: str) -> str:
    return (files("mnistlib.report") / name).read_text(encoding="utf-8")
