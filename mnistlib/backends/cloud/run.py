"""A run on a cluster, seen from here: every question is a question to the cluster."""

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
    """A run on a cluster.

    Parameters
    ----------
    client : ClusterClient
        Who runs it.
    run : RemoteRun
        What is known of it.
    folder : Path
        Where its files are brought when its result is asked for.
    registrar : callable
        Returns the registry of its backend.
    """

    # Every look is a request: the longer a run takes, the less often.
    _first_pause, _longest_pause, _pause_growth = 0.2, 5.0, 1.1

    def __init__(self, client: ClusterClient, run: RemoteRun, folder: Path, registrar: Callable[[], Registrar]) -> None:
        super().__init__(run.run_id, run.experiment)
        self._open_registrar = registrar
        self._client = client
        self._known = run
        self._is_final = run.status.ended and not is_sweep(run)
        self._folder = folder

    @property
    def remote(self) -> RemoteRun:
        """What the cluster knows of the run now."""
        if not self._is_final:
            before, self._known = self._known.status, self._asked()
            self._is_final = self._known.status.ended
            if self._known.status is not before:
                _log.info("run %s is %s", self.id, self._known.status)
        return self._known

    def _asked(self) -> RemoteRun:
        found = self._client.find(self.id)
        if found is not None and is_sweep(found):
            # The runs of a sweep first: what they do to the sweep before they end is then seen.
            runs = self._client.children(found)
            found = self._client.find(self.id)
            if found is not None:
                return as_its_runs_say(found, runs)
        if found is None:
            raise RunNotFoundError(f"no run {self.id!r}: it has been deleted")
        return found

    @property
    def status(self) -> RunStatus:
        """What has become of the run."""
        return self.remote.status

    @property
    def record(self) -> RunRecord:
        """What the cluster knows of the run, and what its node has told at its end."""
        return record_of(self.remote)

    def local_folder(self) -> Path:
        """Bring the run's files to this machine, and return their folder."""
        self.download(self._folder)
        return self._folder

    @property
    def name(self) -> str | None:
        """What a person calls the run."""
        return self._known.name

    def cancel(self) -> None:
        """Ask the run to stop; see :meth:`Run.cancel`."""
        if not self.done():
            self._client.stop(self.id)  # first, so that no run of a sweep begins to choose
            for child in self.children():
                child.cancel()

    def metrics(self) -> Metrics:
        """Return all metric values logged so far; of a sweep that goes on, how many trials have ended."""
        try:
            return parse_metrics(self._read(METRIC_LINES_FILE).decode())
        except FileNotFoundError:
            children = self.children()
            ended = sum(child.done() for child in children)
            return Metrics({"children_ended": [(0, float(ended))]} if children else {})

    def files(self) -> list[str]:
        """Return the names of the run's files, under the names that they have everywhere."""
        return sorted(stored_names(self._client, self.id))

    def logs(self) -> str:
        """Return what the run has said so far; of one that ended before it said anything, what its node has printed."""
        ended = self.done()
        try:
            return self._read(LOG_FILE).decode(errors="replace")
        except FileNotFoundError:
            printed = sorted(filter(self._client.is_output, self._client.file_names(self.id))) if ended else []
            return "\n".join(self._read(name).decode(errors="replace") for name in printed)

    def download(self, target: str | os.PathLike[str], names: Sequence[str] | None = None) -> list[Path]:
        """Copy files of the run into a folder; see :meth:`Run.download`."""
        return download(self._client, self.id, target, names)

    def children(self) -> list[Run]:
        """Return the runs of a sweep; see :meth:`Run.children`."""
        if not is_sweep(self._known):
            return []
        # Which runs they are is noted in the sweep for good, but a handle that has just sent it has not read it.
        sweep = self._known if CHILDREN in self._known.properties else self.remote
        known = self._client.children(sweep)
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


def as_its_runs_say(sweep: RemoteRun, runs: Sequence[RemoteRun]) -> RemoteRun:
    """Return a sweep as its runs say it is: it does not end before them, and is not open when they have ended.

    In this order: while a run goes on, so does the sweep. Then counts what the run that closed it has told. Then what
    the cluster says, if it says that the sweep has ended badly. Without any of that, nobody has closed it.
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
        "the last of its runs was lost before it could choose the best. Submit the sweep again with resume=True "
        "(--resume): what has completed is not trained again"
    )
    return replace(sweep, status=RunStatus.FAILED, error=reason)
