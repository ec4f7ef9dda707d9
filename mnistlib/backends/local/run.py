"""Run in a folder of this machine."""

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
from mnistlib.runs.handle import MODEL_OUTPUT
from mnistlib.runs.tracking import MlflowMirror


class LocalRun(Run):
    """A run in a folder of this machine, of this process or another.

    Parameters
    ----------
    store : RunStore
        Where the run is kept.
    folder : Path
        The run's folder.
    registrar : Registrar
        Registry of its backend.
    mirror : MlflowMirror or None
        Who else is told of that.
    own : bool, default False
        Whether a worker of this process will do the run's work through this handle.
    """

    def __init__(
        self, store: RunStore, folder: Path, registrar: Registrar, mirror: MlflowMirror | None, *, own: bool = False
    ) -> None:
        super().__init__(folder.name, folder.parent.name)
        self.path = folder
        self._store = store
        self._models = registrar
        self._mirror = mirror
        self._own = own
        self._worked = threading.Event()
        self._cause: Exception | None = None

    @property
    def record(self) -> RunRecord:
        """What is known of the run."""
        return self._store.read(self.path)

    @property
    def status(self) -> RunStatus:
        """What has become of the run."""
        worked = self._worked.is_set()  # asked first: the record is written before
        try:
            status = self.record.status
        except (OSError, RunStateError):
            if not self._own:
                raise
            # Somebody has spoilt the record of a run of ours; the worker still knows.
            return RunStatus.FAILED if worked else RunStatus.RUNNING
        # A worker that is done with a run that its record says has not ended could not write that record.
        return RunStatus.FAILED if worked and not status.ended else status

    @property
    def name(self) -> str | None:
        """What a person calls the run."""
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
        """Return what the run has said so far."""
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
        """Return the runs of a sweep; see :meth:`Run.children`."""
        return [
            LocalRun(self._store, self.path.with_name(child), self._models, self._mirror)
            for child in self.record.children
        ]

    def work(self, perform: Callable[[], Exception | None], *, register_as: str | None = None) -> None:
        """Do the run's work in the calling thread.

        Parameters
        ----------
        perform : callable
            Does it, here or in another process, and returns the error by which the run failed.
        register_as : str, optional
            Name under which the model is registered when the run has completed.
        """
        try:
            self._cause = perform()
            if register_as is not None and self.record.status is RunStatus.COMPLETED:
                self._register_at_the_end(register_as)
        except Exception as error:  # the record itself can't be written: a full disk, a folder that has gone
            self._cause = error
        finally:
            self._worked.set()

    def _register_at_the_end(self, name: str) -> None:
        context = RunContext(self.path)
        try:
            context.log(f"registered as {self.register_model(name).id}")
        except MnistlibError as error:  # such as a script that has left no model; the run itself has completed
            context.log(f"NOT registered as {name}: {error}")

    @property
    def _registrar(self) -> Registrar:
        return self._models

    def _ended(self) -> RunResult | JobFailedError:
        if self._own:
            self._worked.wait()  # the record tells of the end a moment before the worker tells of the cause
        if self._cause is not None:
            return self.failure(reason_of(self._cause), self._cause)
        record = self.record
        if record.status is not RunStatus.COMPLETED:
            return self.failure(record.error)
        return RunResult(self.id, self.experiment, record.status, self.path, dict(record.metrics), record.converged)

    def _pause(self, seconds: float) -> None:
        self._worked.wait(seconds)
