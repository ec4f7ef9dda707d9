"""Run in a folder on this machine."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mnistlib.errors import JobFailedError, MnistlibError, RunStateError
from mnistlib.files import publish
from mnistlib.jobs.runner import reason_of
from mnistlib.models.interfaces import Registrar
from mnistlib.models.version import ModelVersion
from mnistlib.runs import Metrics, Run, RunContext, RunRecord, RunResult, RunStatus, RunStore, read_metrics
from mnistlib.runs.context import CANCEL_FILE, LOG_FILE
from mnistlib.runs.result import MODEL_OUTPUT
from mnistlib.runs.tracking import MlflowMirror


class LocalRun(Run):
    """A run in a folder on this machine, of this process or another."""

    def __init__(
        self, store: RunStore, folder: Path, registrar: Registrar, mirror: MlflowMirror | None, *, own: bool = False
    ) -> None:
        super().__init__(folder.name, folder.parent.name)
        self.path = folder
        self._store = store
        self._models = registrar  # the registry of its backend
        self._mirror = mirror  # also registers its models in MLflow
        self._own = own  # whether a worker of this process does the run's work through this handle
        self._worked = threading.Event()
        self._cause: Exception | None = None

    @property
    def record(self) -> RunRecord:
        """Record of the run."""
        return self._store.read(self.path)

    @property
    def status(self) -> RunStatus:
        """Status of the run."""
        worked = self._worked.is_set()  # read first: it is set after the record is written
        try:
            status = self.record.status
        except (OSError, RunStateError):
            if not self._own:
                raise
            # The record has been damaged from outside; the worker's state is still known.
            return RunStatus.FAILED if worked else RunStatus.RUNNING
        # If the worker is done but the record does not end, the record could not be written.
        return RunStatus.FAILED if worked and not status.ended else status

    @property
    def name(self) -> str | None:
        """Display name of the run."""
        return self.record.name

    def cancel(self) -> None:
        """Ask the run to stop within one pass over the data; see :meth:`Run.cancel`."""
        if not self.done():
            for child in self.children():
                child.cancel()
            (self.path / CANCEL_FILE).touch()

    def metrics(self) -> Metrics:
        """Return all metric values logged so far."""
        return read_metrics(self.path)

    def files(self) -> list[str]:
        """Return the names of the run's files."""
        return sorted(
            path.relative_to(self.path).as_posix()
            for path in self.path.rglob("*")
            if path.is_file() and not path.name.endswith(".part")
        )

    def logs(self) -> str:
        """Return the log of the run so far."""
        try:
            return (self.path / LOG_FILE).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Copy files of the run into a folder; see :meth:`Run.download`."""
        known = self.files()
        copies = []
        for name in known if names is None else names:
            if name not in known:
                raise FileNotFoundError(f"run {self.id} has no file {name!r}; it has {', '.join(known)}")
            copy = Path(target, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with (self.path / name).open("rb") as source, publish(copy) as file:
                shutil.copyfileobj(source, file)
            copies.append(copy)
        return copies

    def register_model(
        self,
        name: str,
        *,
        output: str = MODEL_OUTPUT,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Register the run's model, in MLflow too; see :meth:`Run.register_model`."""
        version = super().register_model(name, output=output, description=description, tags=tags)
        if self._mirror:
            self._mirror.register(version, self.path)
        return version

    def local_folder(self) -> Path:
        """Return the run's folder."""
        return self.path

    def children(self) -> list[Run]:
        """Return the trials of a sweep; see :meth:`Run.children`."""
        return [
            LocalRun(self._store, self.path.with_name(child), self._models, self._mirror)
            for child in self.record.children
        ]

    def work(self, perform: Callable[[], Exception | None], *, register_as: str | None = None) -> None:
        """Do the run's work in the calling thread; when the run has completed, register its model as `register_as`.

        `perform` does the work, here or in another process, and returns the error if the run failed.
        """
        try:
            self._cause = perform()
            if register_as is not None and self.record.status is RunStatus.COMPLETED:
                self._register_at_the_end(register_as)
        except Exception as error:  # the record can't be written: disk full, folder deleted
            self._cause = error
        finally:
            self._worked.set()

    def _register_at_the_end(self, name: str) -> None:
        context = RunContext(self.path)
        try:
            context.log(f"registered as {self.register_model(name).id}")
        except MnistlibError as error:  # such as a script without a model; the run itself has completed
            context.log(f"NOT registered as {name}: {error}")

    @property
    def _registrar(self) -> Registrar:
        return self._models

    def _ended(self) -> RunResult | JobFailedError:
        if self._own:
            self._worked.wait()  # the worker sets the cause just after the end is in the record
        if self._cause is not None:
            return self.failure(reason_of(self._cause), self._cause)
        record = self.record
        if record.status is not RunStatus.COMPLETED:
            return self.failure(record.error)
        return RunResult(self.id, self.experiment, record.status, self.path, dict(record.metrics), record.converged)

    def _pause(self, seconds: float) -> None:
        self._worked.wait(seconds)
