"""The job's side of a run: where it writes, whom it tells, and whether it should stop."""

import functools
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mnistlib.files import publish_bytes

#: Names the run's folder to a script that runs inside it.
RUN_VARIABLE = "MNISTLIB_RUN"

METRIC_LINES_FILE = "metrics.jsonl"
METRICS_FILE = "metrics.json"
CANCEL_FILE = "cancel"
LOG_FILE = "logs/run.log"
OUTPUTS = "outputs"

_log = logging.getLogger("mnistlib")

# Of its own, and going nowhere unless somebody listens: progress is for a screen, not for a log.
_progress_log = logging.getLogger("mnistlib.progress")
_progress_log.propagate = False


MetricReader = Callable[[str], Iterable[tuple[str, str]]]
"""Returns the metrics that a script has printed: names, each with a number as text."""


class Metrics(dict[str, list[tuple[int, float]]]):
    """The metrics of a run: ``{name: [(step, value), ...]}``, in the order in which they were logged."""

    @property
    def latest(self) -> dict[str, float]:
        """The last value of each metric."""
        return {name: values[-1][1] for name, values in self.items()}


def read_metrics(folder: Path) -> Metrics:
    """Return all metric values in a run's folder."""
    try:
        return parse_metrics((folder / METRIC_LINES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Metrics()


def parse_metrics(text: str) -> Metrics:
    """Return all metric values in the text of ``metrics.jsonl``."""
    metrics = Metrics()
    for line in text.splitlines():
        try:
            value = json.loads(line)
            point = (int(value["step"]), float(value["value"]))
            metrics.setdefault(str(value["name"]), []).append(point)
        except (ValueError, TypeError, KeyError):  # still being written, cut off by a kill, or somebody else's
            _log.debug("passing over a line of %s that is no metric: %r", METRIC_LINES_FILE, line)
    return metrics


class RunContext:
    """The job's side of a run.

    Parameters
    ----------
    folder : Path
        The run's folder, which exists.

    Attributes
    ----------
    script_launcher : tuple of str
        What Python is given before the name of a script that is the run's job; nothing unless a cluster needs it.
    runs_folder : Path or None
        The folder of runs that the run's folder lies in; None on a cluster's node.
    metric_readers : sequence of callable
        Find metrics in the output of a script that is the run's job.
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
        """Whether somebody has asked the run to stop. A job that asks often stops soon."""
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
            Where on the metric's curve it belongs; by default one after the last.
        """
        with self._lock:
            if self._steps is None:  # an earlier process of the run may have logged before
                self._steps = {known: values[-1][0] for known, values in read_metrics(self._folder).items()}
            step = self._steps.get(name, -1) + 1 if step is None else int(step)
            self._steps[name] = step
            line = json.dumps({"name": name, "step": step, "value": float(value)})
            # One write of a whole line to the file's end: a kill leaves whole lines and at most one torn one.
            with (self._folder / METRIC_LINES_FILE).open("a", encoding="utf-8") as lines:
                lines.write(line + "\n")

    def log(self, message: str) -> None:
        """Say something, to the run's log and to whoever listens."""
        _log.info(message)
        self.note(message)

    def note(self, message: str) -> None:
        """Write something to the run's log only."""
        (self._folder / LOG_FILE).parent.mkdir(exist_ok=True)
        with (self._folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {message}\n")

    def progress(self, message: str, *, seconds: float | None = None, seconds_left: float | None = None) -> None:
        """Show how far the job has come to whoever watches; nothing is kept.

        Parameters
        ----------
        message : str
            How far.
        seconds, seconds_left : float, optional
            Time since the start, and an estimate of the time to the end.
        """
        _progress_log.info(message, extra={"seconds": seconds, "seconds_left": seconds_left})

    def output_path(self, name: str) -> Path:
        """Return where to write an output, its folder made."""
        path = self._folder / OUTPUTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def publish_metrics(self) -> None:
        """Write the last value of each metric to ``metrics.json``."""
        publish_bytes(self._folder / METRICS_FILE, json.dumps(self.metrics, indent=2).encode())


class _OutsideARun(RunContext):
    """What a script gets that nobody runs as a job: it talks, and its outputs go where it stands."""

    def __init__(self) -> None:
        super().__init__(Path())

    @property
    def cancelled(self) -> bool:
        return False

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        self.log(f"{name} = {value:g}" + ("" if step is None else f" at step {step}"))

    def note(self, message: str) -> None:
        """Write nothing: there is no log."""

    def publish_metrics(self) -> None:
        """Write nothing: there is no record."""


def current_run() -> RunContext:
    """Return the run that this process belongs to.

    A script that a backend runs logs its metrics with it. Run by hand, the same script gets a context that only talks,
    so it needs no change.

    Returns
    -------
    RunContext
        The run named by ``MNISTLIB_RUN``, or one that keeps no record.

    Examples
    --------
    >>> current_run().log_metric("accuracy", 0.98)
    """
    folder = os.environ.get(RUN_VARIABLE)
    return _context_of(folder) if folder else _OutsideARun()


@functools.cache
def _context_of(folder: str) -> RunContext:
    """Return the one context of a run in this process, which counts the steps of its metrics."""
    return RunContext(Path(folder))
