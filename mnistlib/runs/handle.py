"""The owner's side of a run, shaped like ``concurrent.futures.Future``, the same from every backend."""

import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mnistlib.errors import JobCancelledError, JobFailedError, ModelError, RunStateError
from mnistlib.runs import notebook
from mnistlib.runs.context import Metrics
from mnistlib.runs.record import RunRecord
from mnistlib.runs.result import MODEL_OUTPUT, RunResult
from mnistlib.runs.status import RunStatus

if TYPE_CHECKING:
    from mnistlib.models.interfaces import Registrar
    from mnistlib.models.version import ModelVersion

_LOG_TAIL = 20  # lines of a failed run's log in its error

# Version 0.1 stored the index of the best trial as a metric.
_BEST_TRIAL_METRIC = "best_child"


class Run(ABC):
    """Handle on a run.

    A handle holds no state of the run: all methods read the stored run. Therefore a handle created by another process
    with ``backend.attach(run_id)`` is equivalent to the first.

    Attributes
    ----------
    id : str
        Id, unique among the runs of the backend.
    experiment : str
        Name shared by runs with one purpose.
    """

    # Polling: the first pause and the longest, in seconds, and the factor from one pause to the next.
    _first_pause, _longest_pause, _pause_growth = 0.01, 0.5, 2.0

    def __init__(self, run_id: str, experiment: str) -> None:
        self.id = run_id
        self.experiment = experiment

    @property
    @abstractmethod
    def status(self) -> RunStatus:
        """Status of the run."""

    @property
    @abstractmethod
    def record(self) -> RunRecord:
        """Record of the run."""

    @abstractmethod
    def local_folder(self) -> Path:
        """Return the local folder of the run's files, after downloading them if they are elsewhere."""

    @property
    def name(self) -> str | None:
        """Name of the run given by a user, if any."""
        return None

    @abstractmethod
    def cancel(self) -> None:
        """Request cancellation. Results so far are kept; a run that has ended is not changed."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """Return all metric values logged so far, also before the end of the run."""

    @abstractmethod
    def files(self) -> list[str]:
        """Return the names of the run's files, sorted, relative to its folder."""

    @abstractmethod
    def logs(self) -> str:
        """Return the run's log so far."""

    @abstractmethod
    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Copy files of the run into a folder, which is created if missing.

        Parameters
        ----------
        target : str or PathLike
            The folder. Each file is written atomically.
        names : sequence of str, optional
            Names from :meth:`files`; default: all.

        Returns
        -------
        list of Path
            The copies.

        Raises
        ------
        FileNotFoundError
            If the run has no file with a given name.
        """

    @abstractmethod
    def children(self) -> list["Run"]:
        """Return the trials of a sweep, in order; empty for other jobs."""

    @abstractmethod
    def _ended(self) -> RunResult | JobFailedError:
        """Return the result of an ended run, or its error."""

    def register_model(
        self,
        name: str,
        *,
        output: str = MODEL_OUTPUT,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> "ModelVersion":
        """Register the run's model as the next version of a name. The model of a sweep is that of its best trial.

        Parameters
        ----------
        name : str
            1 to 255 letters, digits, ``.``, ``_`` and ``-``, beginning with a letter or digit.
        output : str, optional
            Name of the model file in :meth:`files`, if a script wrote it: a pickle or a ``.skops`` file.
        description : str, optional
            Description of the model.
        tags : mapping of str to str, optional
            Tags of the model.

        Returns
        -------
        ModelVersion
            The new version.

        Raises
        ------
        RunStateError
            If the run has not completed.
        ModelError
            If the file is missing or was changed after it was written, or if the name is invalid.
        """
        from mnistlib.models.artifact import DESCRIPTION_FILE, read_verified
        from mnistlib.models.interfaces import Registration
        from mnistlib.models.version import require_model_name

        require_model_name(name)
        status = self.status
        if status is not RunStatus.COMPLETED:
            raise RunStateError(f"run {self.id} is {status}: only the model of a completed run can be registered")
        names = self.files()
        if output not in names:
            raise ModelError(
                f"run {self.id} has no model {output!r}; its files: {', '.join(names)}. If one of them is a "
                "model, pass it as output= (--output)"
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
        """Model registry of the run's backend."""

    @property
    def best_trial(self) -> int | None:
        """Index of the best trial of an ended sweep, if one was selected; None for other jobs."""
        known = self.record.best_trial
        if known is not None:
            return known
        position = self.metrics().latest.get(_BEST_TRIAL_METRIC)
        return None if position is None else int(position)

    @property
    def best(self) -> "Run | None":
        """Best trial of an ended sweep, if one was selected and its run is accessible; None for other jobs."""
        index = self.best_trial
        if index is None:
            return None
        trials = self.children()
        return trials[index] if index < len(trials) else None

    def done(self) -> bool:
        """Return whether the run has completed, failed or been cancelled."""
        return self.status.ended

    def wait(self, timeout: float | None = None, *, show_output: bool = False) -> RunStatus:
        """Wait until the run has ended.

        Parameters
        ----------
        timeout : float, optional
            Maximum time to wait, in seconds.
        show_output : bool, default False
            Print the run's log to stderr as it grows.

        Returns
        -------
        RunStatus
            Final status.

        Raises
        ------
        TimeoutError
            If the run has not ended in time. The run continues.
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
                    raise TimeoutError(f"run {self.id} is still {status} after {timeout:g} seconds; the run continues")
            self._pause(pause)
            pause = min(self._pause_growth * pause, self._longest_pause)

    def result(self, timeout: float | None = None) -> RunResult:
        """Wait until the run has ended, and return its result.

        Raises
        ------
        JobFailedError
            If the run failed. The message ends with the last lines of the log. The cause is the original error, if
            this process has it.
        JobCancelledError
            If the run was cancelled; a subclass of :class:`~mnistlib.errors.JobFailedError`.
        TimeoutError
            If the run has not ended after `timeout` seconds. The run continues.
        """
        self.wait(timeout)
        outcome = self._ended()
        if isinstance(outcome, JobFailedError):
            raise outcome
        return outcome

    def follow_logs(self) -> Iterator[str]:
        """Yield the lines of the run's log from the first on, as they are written, until the run has ended."""
        shown = 0
        while True:
            ended = self.status.ended
            *lines, last = self.logs().split("\n")
            if ended and last:
                lines.append(last)  # before the end, the last line may be incomplete
            yield from lines[shown:]
            shown = len(lines)
            if ended:
                return
            self._pause(self._longest_pause / 5)

    def failure(self, reason: str | None, cause: BaseException | None = None) -> JobFailedError:
        """Return the error that :meth:`result` raises, in the same form for every backend."""
        tail = self.logs().splitlines()[-_LOG_TAIL:]
        if self.status is RunStatus.CANCELLED:
            error: JobFailedError = JobCancelledError(f"run {self.id} was cancelled", log_tail=tail)
        else:
            error = JobFailedError(f"run {self.id} failed: {reason or 'no reason is recorded'}", log_tail=tail)
        error.__cause__ = cause
        return error

    def _pause(self, seconds: float) -> None:
        """Wait; a backend that is notified of the run's end may return earlier."""
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
