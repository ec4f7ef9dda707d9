"""View of a run in a notebook, refreshed until the run has ended."""

import logging
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from mnistlib.html.charts import Axis, curve, line_chart
from mnistlib.html.elements import Html, element, number
from mnistlib.runs.context import Metrics
from mnistlib.runs.status import RunStatus

_INTERVAL = 0.5  # seconds between two refreshes
_LOG_LINES = 3
# Metrics left out of the table when the chart shows their curve.
_IN_THE_CURVE = ("objective", "gradient_norm", "passes")

_log = logging.getLogger("mnistlib")


class RunView(Protocol):
    """The part of a `Run` that a notebook shows."""

    id: str
    experiment: str

    @property
    def name(self) -> str | None:
        """Name of the run."""

    @property
    def status(self) -> RunStatus:
        """Status of the run."""

    def metrics(self) -> Metrics:
        """Return all metric values."""

    def children(self) -> Sequence["RunView"]:
        """Return the trials of a sweep."""

    def logs(self) -> str:
        """Return the log."""

    def done(self) -> bool:
        """Return whether the run has ended."""

    def wait(self, timeout: float | None = None) -> RunStatus:
        """Wait until the run has ended."""


def view(run: RunView) -> Html:
    """Return the current state of a run as HTML with inline styles.

    Parameters
    ----------
    run : RunView
        Run of any backend, in any state.
    """
    status, metrics = run.status, run.metrics()
    # The trials of a sweep share one curve. The objective jumps from trial to trial; the gradient norm does not.
    y = Axis("gradient_norm", log=True) if run.children() else Axis("objective")
    loss = curve(metrics, y.label)
    latest = {name: value for name, value in metrics.latest.items() if len(loss) < 2 or name not in _IN_THE_CURVE}
    log = "" if status is RunStatus.COMPLETED else "\n".join(run.logs().splitlines()[-_LOG_LINES:])
    return element(
        "div",
        element(
            "div",
            element("b", run.name or run.id),
            f" · {status}",
            element("div", f"{run.experiment} / {run.id}", style="opacity:0.65"),
            _table(latest) if latest else "",
            element("pre", log, style="white-space:pre-wrap;opacity:0.65;margin:8px 0") if log else "",
        ),
        _chart(loss, y) if len(loss) > 1 else "",
        style="display:flex;flex-wrap:wrap;gap:8px 40px;line-height:1.5",
    )


def show(run: RunView) -> None:
    """Show a run in a notebook and refresh the view until the run has ended; elsewhere show it once."""
    from IPython import get_ipython
    from IPython.display import display

    handle = display(_bundle(run), raw=True, display_id=True)
    # A terminal cannot replace printed text.
    if hasattr(get_ipython(), "kernel") and not run.done():
        threading.Thread(target=_follow, args=(run, handle), name=f"view of {run.id}", daemon=True).start()


def _follow(run: RunView, handle: Any) -> None:
    try:
        while not _ended_soon(run):
            handle.update(_bundle(run), raw=True)
        handle.update(_bundle(run), raw=True)
    except Exception:  # the run may be deleted or unreachable: keep its last view, without an error in the notebook
        _log.debug("the view of run %s is no longer refreshed", run.id, exc_info=True)


def _ended_soon(run: RunView) -> bool:
    try:
        run.wait(_INTERVAL)
    except TimeoutError:
        return False
    return True


def _bundle(run: RunView) -> dict[str, str]:
    """Return a run as text and as HTML, of which the front end chooses one."""
    return {"text/plain": repr(run), "text/html": view(run)}


def _table(latest: dict[str, float]) -> Html:
    left = "text-align:left"  # Jupyter aligns tables to the right
    rows = [
        element("tr", element("td", name, style=left), element("td", number(value), style=left))
        for name, value in latest.items()
    ]
    return element("table", *rows, style="margin:8px 0")


def _chart(loss: list[tuple[float, float]], y: Axis) -> Html:
    chart = line_chart(loss, x=Axis("passes"), y=y)
    return element("div", chart, style="width:360px;max-width:100%")
