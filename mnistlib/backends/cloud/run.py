"""Handle of a run on a cluster; it requests its state from the cluster."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mnistlib.backends.cloud.cluster_client import ClusterClient, RemoteRun
from mnistlib.backends.cloud.properties import CHILDREN, CHOOSES, ENDED, is_sweep, record_of
from mnistlib.backends.cloud.run_files import download, read_file, stored_names
from mnistlib.errors import JobFailedError, RunNotFoundError
from mnistlib.models.interfaces import Registrar
from mnistlib.runs import Metrics, Run, RunRecord, RunResult, RunStatus, read_metrics
from mnistlib.runs.context import LOG_FILE, METRIC_LINES_FILE, parse_metrics
from mnistlib.runs.record import RECORD_FILE

_log = logging.getLogger("mnistlib")


class CloudRun(Run):
    """A run on a cluster; :meth:`result` downloads its files into `folder`."""

    # Each poll is a request: the pauses grow with the duration of the run.
    _first_pause, _longest_pause, _pause_growth = 0.2, 5.0, 1.1

    def __init__(self, client: ClusterClient, run: RemoteRun, folder: Path, registrar: Callable[[], Registrar]) -> None:
        super().__init__(run.run_id, run.experiment)
        self._open_registrar = registrar  # returns the registry of its backend
        self._client = client
        self._known = run  # last known state
        self._is_final = run.status.ended and not is_sweep(run)
        self._folder = folder

    @property
    def remote(self) -> RemoteRun:
        """The current state of the run on the cluster."""
        if not self._is_final:
            before, self._known = self._known.status, self._fetched()
            self._is_final = self._known.status.ended
            if self._known.status is not before:
                _log.info("run %s is %s", self.id, self._known.status)
        return self._known

    def _fetched(self) -> RemoteRun:
        found = self._client.find(self.id)
        if found is not None and is_sweep(found):
            # The trials before the sweep: changes that a trial makes to the sweep before it ends are then included.
            runs = self._client.children(found)
            found = self._client.find(self.id)
            if found is not None:
                return with_status_of_trials(found, runs)
        if found is None:
            raise RunNotFoundError(f"no run {self.id!r}: it has been deleted")
        return found

    @property
    def status(self) -> RunStatus:
        """Status of the run."""
        return self.remote.status

    @property
    def record(self) -> RunRecord:
        """Record of the run, from the cluster and from the node's report of its end."""
        return record_of(self.remote)

    def local_folder(self) -> Path:
        """Download the run's files, and return their folder."""
        self.download(self._folder)
        return self._folder

    @property
    def name(self) -> str | None:
        """Display name of the run."""
        return self._known.name

    def cancel(self) -> None:
        """Ask the run to stop; see :meth:`Run.cancel`."""
        if not self.done():
            self._client.stop(self.id)  # first, so that no trial starts to choose the best
            for child in self.children():
                child.cancel()

    def metrics(self) -> Metrics:
        """Return all metric values logged so far; for a running sweep, the number of ended trials."""
        try:
            return parse_metrics(self._read(METRIC_LINES_FILE).decode())
        except FileNotFoundError:
            children = self.children()
            ended = sum(child.done() for child in children)
            return Metrics({"children_ended": [(0, float(ended))]} if children else {})

    def files(self) -> list[str]:
        """Return the names of the run's files, the same on every backend."""
        return sorted(stored_names(self._client, self.id))

    def logs(self) -> str:
        """Return the log of the run so far; if it ended without one, the output of its node."""
        ended = self.done()
        try:
            return self._read(LOG_FILE).decode(errors="replace")
        except FileNotFoundError:
            outputs = sorted(filter(self._client.is_output, self._client.file_names(self.id))) if ended else []
            return "\n".join(self._read(name).decode(errors="replace") for name in outputs)

    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Copy files of the run into a folder; see :meth:`Run.download`."""
        return download(self._client, self.id, target, names)

    def children(self) -> list[Run]:
        """Return the trials of a sweep; see :meth:`Run.children`."""
        if not is_sweep(self._known):
            return []
        known = self._client.children(self._known)
        return [
            type(self)(self._client, run, self._folder.with_name(run.run_id), self._open_registrar) for run in known
        ]

    @property
    def _registrar(self) -> Registrar:
        return self._open_registrar()

    def _ended(self) -> RunResult | JobFailedError:
        if self._known.status is not RunStatus.COMPLETED:
            return self.failure(self.record.error)
        folder = self.local_folder()
        converged = RunRecord.read(folder).converged if (folder / RECORD_FILE).exists() else None
        metrics = read_metrics(folder).latest
        return RunResult(self.id, self.experiment, self._known.status, folder, metrics, converged)

    def _read(self, name: str) -> bytes:
        return read_file(self._client, self.id, name)


def with_status_of_trials(sweep: RemoteRun, runs: Sequence[RemoteRun]) -> RemoteRun:
    """Return a sweep with the status that follows from its trials.

    Rules, in order: while a trial runs, the sweep runs. Then the report of the run that closed the sweep decides. Then
    the cluster's status, if failed or cancelled. Otherwise no run has closed the sweep, and it has failed.
    """
    missing = len(runs) < len(json.loads(sweep.properties.get(CHILDREN, "[]"))) and not sweep.status.ended
    if missing or not all(run.status.ended for run in runs):
        return replace(sweep, status=RunStatus.RUNNING)
    if ENDED in sweep.properties and sweep.status is not RunStatus.CANCELLED:
        failed = record_of(replace(sweep, status=RunStatus.FAILED, error=None))
        return replace(sweep, status=RunStatus.FAILED if failed.error else RunStatus.COMPLETED)
    chooses = CHOOSES in sweep.properties and not sweep.status.ended
    if chooses or sweep.status in (RunStatus.FAILED, RunStatus.CANCELLED):
        return sweep
    if any(run.status is RunStatus.CANCELLED for run in runs):
        return replace(sweep, status=RunStatus.CANCELLED)
    reason = (
        "the last trial was lost before it could choose the best. Submit the sweep again with resume=True (--resume): "
        "it reuses the completed trials"
    )
    return replace(sweep, status=RunStatus.FAILED, error=reason)
