"""The owner's side of a run, shaped like ``concurrent.futures.Future``, the same from every backend."""

import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mnistlib.errors import JobCancelledError, JobFailedError, ModelError, RunStateError
from mnistlib.runs import notebook
from mnistlib.runs.context import OUTPUTS, Metrics
from mnistlib.runs.record import RunRecord
from mnistlib.runs.status import RunStatus

if TYPE_CHECKING:
    from mnistlib.models.interfaces import Registrar
    from mnistlib.models.version import ModelVersion

_LOG_TAIL = 20  # lines of a failed run's log that its error carries

MODEL_OUTPUT = f"{OUTPUTS}/sklearn_mnist_model.pkl"

# Version 0.1 kept the index of the best trial as a metric.
_BEST_TRIAL_METRIC = "best_child"


@dataclass(frozen=True)
class RunResult:
    """A run that has completed.

    Attributes
    ----------
    run_id : str
        Its id.
    experiment : str
        The experiment it belongs to.
    status : RunStatus
        What has become of it.
    path : Path
        The folder with its files, on this machine.
    metrics : mapping of str to float
        The last value of each metric, ``accuracy`` among them where a model was trained.
    converged : bool or None
        Whether the solver reached its tolerance before its last iteration; None where there was no solver.
    """

    run_id: str
    experiment: str
    status: RunStatus
    path: Path
    metrics: Mapping[str, float]
    converged: bool | None

    @property
    def model_path(self) -> Path:
        """The saved classifier: a pickle of a plain scikit-learn estimator."""
        return self.path / MODEL_OUTPUT


class Run(ABC):
    """A handle on a run.

    It holds no state of the run: every question is answered from where the run is recorded, so a handle that another
    process made (``backend.attach(run_id)``) is as good as the first.

    Attributes
    ----------
    id : str
        Unique where the backend keeps its runs.
    experiment : str
        The name that runs of one purpose share.
    """

    # Seconds between two looks at a run, at first and at most, and how fast the one becomes the other.
    _first_pause, _longest_pause, _pause_growth = 0.01, 0.5, 2.0

    def __init__(self, run_id: str, experiment: str) -> None:
        self.id = run_id
        self.experiment = experiment

    @property
    @abstractmethod
    def status(self) -> RunStatus:
        """What has become of the run."""

    @property
    @abstractmethod
    def record(self) -> RunRecord:
        """All that is known of the run but its files."""

    @abstractmethod
    def local_folder(self) -> Path:
        """Return the folder on this machine that holds the run's files, brought there where they lie elsewhere."""

    @property
    def name(self) -> str | None:
        """What a person calls the run, where that is known."""
        return None

    @abstractmethod
    def cancel(self) -> None:
        """Ask the run to stop, soon; what it has made so far is kept. An ended run is left as it is."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """Return all metric values logged so far, also while the run runs."""

    @abstractmethod
    def files(self) -> list[str]:
        """Return the names of the run's files, sorted, relative to its folder."""

    @abstractmethod
    def logs(self) -> str:
        """Return what the run has said so far."""

    @abstractmethod
    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Copy files of the run into a folder, which is made.

        Parameters
        ----------
        target : str or PathLike
            The folder. Each file is written whole or not at all.
        names : sequence of str, optional
            Which of :meth:`files`; default: all.

        Returns
        -------
        list of Path
            The copies.

        Raises
        ------
        FileNotFoundError
            If the run has no file of that name.
        """

    @abstractmethod
    def children(self) -> list["Run"]:
        """Return the trials of a sweep, in their order; none for other jobs."""

    @abstractmethod
    def _ended(self) -> RunResult | JobFailedError:
        """Return what an ended run has come to."""

    def register_model(
        self,
        name: str,
        *,
        output: str = MODEL_OUTPUT,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> "ModelVersion":
        """Register the run's model under the next version of a name; of a sweep, that of its best trial.

        Parameters
        ----------
        name : str
            1 to 255 letters, digits, ``.``, ``_`` and ``-``, beginning with a letter or digit.
        output : str, optional
            Which of :meth:`files` is the model, where a script made it: a pickle or a ``.skops`` file.
        description : str, optional
            What a person says of it.
        tags : mapping of str to str, optional
            What a person notes about it.

        Returns
        -------
        ModelVersion
            The new version.

        Raises
        ------
        RunStateError
            If the run has not completed.
        ModelError
            If it has no such file, or one that was changed since it was written, or if the name is not allowed.
        """
        from mnistlib.models.artifact import DESCRIPTION_FILE, read_verified
        from mnistlib.models.interfaces import Registration
        from mnistlib.models.version import require_model_name

        require_model_name(name)
        status = self.status
        if status is not RunStatus.COMPLETED:
            raise RunStateError(f"run {self.id} is {status}: only a run that has completed has a model to keep")
        names = self.files()
        if output not in names:
            raise ModelError(
                f"run {self.id} has no model {output!r}; it has {', '.join(names)}. Where one of them is a "
                "model, name it with output= (--output)"
            )
        described = str(PurePosixPath(output).with_name(DESCRIPTION_FILE))
        wanted = [output, *([described] if described in names else ())]
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            content, origin = read_verified(self.download(folder, wanted)[0])
        return self._registrar.register(
            Registration(
                name=name,
                content=content,
                file=output,
                run_id=self.id,
                origin=origin,
                metrics=self.metrics().latest,
                description=description,
                tags=dict(tags or {}),
            )
        )

    @property
    @abstractmethod
    def _registrar(self) -> "Registrar":
        """The registry of the run's backend."""

    @property
    def best_trial(self) -> int | None:
        """Index of the best trial of a sweep that has ended, if one was chosen; None of other jobs."""
        known = self.record.best_trial
        if known is not None:
            return known
        position = self.metrics().latest.get(_BEST_TRIAL_METRIC)
        return None if position is None else int(position)

    @property
    def best(self) -> "Run | None":
        """The best trial of a sweep that has ended, if one was chosen and is known here; None of other jobs."""
        index = self.best_trial
        if index is None:
            return None
        trials = self.children()
        return trials[index] if index < len(trials) else None

    def done(self) -> bool:
        """Return whether the run has ended, in whatever way."""
        return self.status.ended

    def wait(self, timeout: float | None = None, *, show_output: bool = False) -> RunStatus:
        """Wait until the run has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.
        show_output : bool, default False
            Print the run's log as it grows, to stderr.

        Returns
        -------
        RunStatus
            How it ended.

        Raises
        ------
        TimeoutError
            If it has not ended by then. The run goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        shown = 0
        pause = self._first_pause
        while True:
            status = self.status
            if show_output:
                shown = self._show_from(shown)
            if status.ended:
                return status
            if deadline is not None:
                pause = min(pause, deadline - time.monotonic())
                if pause <= 0:
                    raise TimeoutError(f"run {self.id} is still {status} after {timeout:g} seconds; it goes on")
            self._pause(pause)
            pause = min(self._pause_growth * pause, self._longest_pause)

    def result(self, timeout: float | None = None) -> RunResult:
        """Wait until the run has ended, and return what it has come to.

        Raises
        ------
        JobFailedError
            If it failed. The message ends with the last lines of its log; the original error, where this process has
            it, is the cause.
        JobCancelledError
            If it was cancelled; a kind of :class:`~mnistlib.errors.JobFailedError`.
        TimeoutError
            If it has not ended after `timeout` seconds. The run goes on.
        """
        self.wait(timeout)
        outcome = self._ended()
        if isinstance(outcome, JobFailedError):
            raise outcome
        return outcome

    def follow_logs(self) -> Iterator[str]:
        """Yield the lines of the run's log, from the first, as they come, until the run has ended."""
        shown = 0
        while True:
            ended = self.status.ended
            *lines, last = self.logs().split("\n")
            if ended and last:
                lines.append(last)  # else it is still being written
            yield from lines[shown:]
            shown = len(lines)
            if ended:
                return
            self._pause(self._longest_pause / 5)

    def failure(self, reason: str | None, cause: BaseException | None = None) -> JobFailedError:
        """Make the error that :meth:`result` raises: one class, one form, from every backend."""
        tail = self.logs().splitlines()[-_LOG_TAIL:]
        if self.status is RunStatus.CANCELLED:
            error: JobFailedError = JobCancelledError(f"run {self.id} was cancelled", log_tail=tail)
        else:
            error = JobFailedError(f"run {self.id} failed: {reason or 'no reason is recorded'}", log_tail=tail)
        error.__cause__ = cause
        return error

    def _pause(self, seconds: float) -> None:
        """Let time pass; a backend that is told of the end may return earlier."""
        time.sleep(seconds)

    def _show_from(self, shown: int) -> int:
        text = self.logs()
        sys.stderr.write(text[shown:])
        return len(text)

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.status})"

    def _repr_html_(self) -> str:
        return notebook.view(self)

    def _ipython_display_(self) -> None:
        notebook.show(self)
