"""The job's side of a run: output paths, metrics, log, and the check for a request to cancel."""

import functools
import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mnistlib.environment import RUN
from mnistlib.files import publish_bytes

METRIC_LINES_FILE = "metrics.jsonl"
METRICS_FILE = "metrics.json"
CANCEL_FILE = "cancel"
LOG_FILE = "logs/run.log"
OUTPUTS = "outputs"

_log = logging.getLogger("mnistlib")

# A separate logger without propagation: progress is shown on a screen if a handler is added, and is never logged.
_progress_log = logging.getLogger("mnistlib.progress")
_progress_log.propagate = False


MetricReader = Callable[[str], Iterable[tuple[str, str]]]
"""Parses a script's output and returns the metrics in it: pairs of a name and a number as text."""


class Metrics(dict[str, list[tuple[int, float]]]):
    """Metrics of a run: ``{name: [(step, value), ...]}``, in the order of logging."""

    @property
    def latest(self) -> dict[str, float]:
        """The last value of each metric."""
        return {name: values[-1][1] for name, values in self.items()}


def read_metrics(folder: Path) -> Metrics:
    """Read all metric values of a run folder."""
    try:
        return parse_metrics((folder / METRIC_LINES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Metrics()


def parse_metrics(text: str) -> Metrics:
    """Parse all metric values in the text of ``metrics.jsonl``."""
    metrics = Metrics()
    for line in text.splitlines():
        try:
            value = json.loads(line)
            point = (int(value["step"]), float(value["value"]))
            metrics.setdefault(str(value["name"]), []).append(point)
        except (ValueError, TypeError, KeyError):  # incomplete, or written by another program
            _log.debug("skipping a line of %s that is not a metric: %r", METRIC_LINES_FILE, line)
    return metrics


class RunContext:
    """The job's side of a run.

    Parameters
    ----------
    folder : Path
        The run's folder; it must exist.

    Attributes
    ----------
    script_launcher : tuple of str
        Arguments of Python before the name of a script; empty unless a cluster needs them.
    runs_folder : Path or None
        The folder of runs that contains the run's folder; None on a cluster's node.
    metric_readers : sequence of callable
        Parsers of metrics in a script's output.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.script_launcher: tuple[str, ...] = ()
        self.runs_folder: Path | None = None
        self.metric_readers: Sequence[MetricReader] = ()
        self.best_trial: int | None = None
        self._steps: dict[str, int] | None = None
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._folder

    @property
    def metrics(self) -> Mapping[str, float]:
        """The last value of each metric so far, logged here or in another process of the run."""
        return read_metrics(self._folder).latest

    @property
    def cancelled(self) -> bool:
        """Whether cancellation of the run was requested. A job should check it often, to stop soon."""
        return (self._folder / CANCEL_FILE).exists()

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record a number under a name.

        Parameters
        ----------
        name : str
            The metric.
        value : float
            Its value.
        step : int, optional
            Position on the metric's curve; by default the last step plus 1.
        """
        with self._lock:
            if self._steps is None:  # an earlier process of the run may have logged metrics
                self._steps = {known: values[-1][0] for known, values in read_metrics(self._folder).items()}
            step = self._steps.get(name, -1) + 1 if step is None else int(step)
            self._steps[name] = step
            line = json.dumps({"name": name, "step": step, "value": float(value)})
            # One write appends the whole line, so a kill leaves at most one incomplete line.
            with (self._folder / METRIC_LINES_FILE).open("a", encoding="utf-8") as lines:
                lines.write(line + "\n")

    def log(self, message: str) -> None:
        """Write a message to the run's log and to the logger ``mnistlib``."""
        _log.info(message)
        self.note(message)

    def note(self, message: str) -> None:
        """Write a message to the run's log only."""
        (self._folder / LOG_FILE).parent.mkdir(exist_ok=True)
        with (self._folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {message}\n")

    def progress(self, message: str, *, seconds: float | None = None, seconds_left: float | None = None) -> None:
        """Send the job's progress to the logger ``mnistlib.progress``; it is not stored.

        Parameters
        ----------
        message : str
            Description of the progress.
        seconds, seconds_left : float, optional
            Time since the start, and an estimate of the remaining time.
        """
        _progress_log.info(message, extra={"seconds": seconds, "seconds_left": seconds_left})

    def output_path(self, name: str) -> Path:
        """Return the path of an output, and create its folder."""
        path = self._folder / OUTPUTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def publish_metrics(self) -> None:
        """Write the last value of each metric to ``metrics.json``."""
        publish_bytes(self._folder / METRICS_FILE, json.dumps(self.metrics, indent=2).encode())


class _OutsideARun(RunContext):
    """Context of a script outside a run: it only logs, and outputs go to the current folder."""

    def __init__(self) -> None:
        super().__init__(Path())

    @property
    def cancelled(self) -> bool:
        return False

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        self.log(f"{name} = {value:g}" + ("" if step is None else f" at step {step}"))

    def note(self, message: str) -> None:
        """Do nothing: there is no run log."""

    def publish_metrics(self) -> None:
        """Do nothing: there is no run folder."""


def current_run() -> RunContext:
    """Return the context of the run that this process belongs to.

    A script that a backend runs logs its metrics with it. If the same script is run by hand, the context only writes
    messages, so the script needs no change.

    Returns
    -------
    RunContext
        Context of the run in ``MNISTLIB_RUN``, or one that stores nothing.

    Examples
    --------
    >>> current_run().log_metric("accuracy", 0.98)
    """
    folder = RUN.get()
    return _context_of(folder) if folder else _OutsideARun()


@functools.cache
def _context_of(folder: str) -> RunContext:
    """Return the only context of a run in this process, because the context counts the steps of metrics."""
    return RunContext(Path(folder))
