"""Folder of runs, safe for concurrent processes."""

import glob
import logging
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import filelock

from mnistlib.environment import RUNS
from mnistlib.errors import RunNotFoundError, RunStateError
from mnistlib.files import publish_bytes
from mnistlib.runs.context import CANCEL_FILE
from mnistlib.runs.record import RECORD_FILE, RunRecord, now, require_experiment_name
from mnistlib.runs.status import RunStatus

if sys.platform != "win32":
    import fcntl

JOB_FILE = "job.json"
PROCESS_ENDED = "the process that ran it ended before the run did"

#: Created in a runs folder before the first run; marks a folder as a runs folder.
PROCESSES = ".processes"
MODELS, SERVICES = ".models", ".services"
#: Subfolder of a runs folder with downloaded files of runs on clusters.
BROUGHT = ".cloud"
#: Subfolders of a runs folder other than experiments, whose names never begin with a dot.
OWN_FOLDERS = (PROCESSES, MODELS, SERVICES, BROUGHT)
_log = logging.getLogger("mnistlib")


class RunStore:
    """Folder of runs.

    Parameters
    ----------
    folder : Path, optional
        Default: :func:`default_runs_folder`. It is created with the first run.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # Absolute, because a process may change its current folder during a run.
        self.folder: Path = (default_runs_folder() if folder is None else folder).absolute()
        self._lock: filelock.BaseFileLock | None = None
        self._locking = threading.Lock()
        self._token = secrets.token_hex(8)

    def create(
        self,
        job_json: str,
        *,
        job_type: str,
        experiment: str,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        parent: str | None = None,
    ) -> Path:
        """Create a queued run on disk and return its folder.

        The folder is created atomically. This process is responsible for the run: if the process dies before the run
        has ended, the run has failed.

        Raises
        ------
        JobError
            If the name of the experiment is invalid.
        """
        require_experiment_name(experiment)
        self._hold_lock()
        created = now()
        while True:
            run_id = new_run_id()
            record = RunRecord(
                run_id=run_id,
                experiment=experiment,
                job_type=job_type,
                status=RunStatus.QUEUED,
                process=self._token,
                created=created,
                name=name,
                tags=dict(tags or {}),
                parent=parent,
            )
            folder = self.folder / experiment / run_id
            unfinished = folder.with_name(f".{run_id}.{self._token}.part")
            self._make(unfinished)
            publish_bytes(unfinished / JOB_FILE, job_json.encode())
            record.write(unfinished)
            try:
                unfinished.rename(folder)
            except OSError:
                shutil.rmtree(unfinished, ignore_errors=True)
                if not folder.exists():
                    raise
            else:
                return folder

    def read(self, folder: Path) -> RunRecord:
        """Return a run's record, corrected if its process has died."""
        return self._corrected(folder, RunRecord.read(folder), alive={})

    def records(self) -> list[RunRecord]:
        """Return the records of all runs, the newest first."""
        alive: dict[str, bool] = {}
        records = [self._corrected(folder, record, alive) for folder, record in self._stored()]
        return sorted(records, key=lambda record: (record.created, record.run_id), reverse=True)

    def find(self, run: str | os.PathLike[str]) -> Path:
        """Return the folder of a run.

        Parameters
        ----------
        run : str or PathLike
            Id of the run, a unique prefix of the id, or the run folder itself.

        Raises
        ------
        RunNotFoundError
            If no run or several runs match; the message names the searched folder.
        """
        if (Path(run) / RECORD_FILE).is_file():
            return Path(run).absolute()
        name = os.fspath(run)
        if name and name == Path(name).name and not name.startswith("."):
            found = [path for path in self.folder.glob(f"*/{glob.escape(name)}*") if (path / RECORD_FILE).is_file()]
            exact = [path for path in found if path.name == name]
            if len(exact or found) == 1:
                return (exact or found)[0]
            if found:
                raise RunNotFoundError(f"the ids of {len(found)} runs begin with {name!r}: pass more of the id")
        raise RunNotFoundError(
            f"no run {name!r} in {self.folder}: expected the id of a run in it, or the path of a run folder. "
            f"Set another folder with --runs or {RUNS.name}"
        )

    def folder_of(self, record: RunRecord) -> Path:
        """Return the folder of the run with this record."""
        return self.folder / record.experiment / record.run_id

    def delete(self, folder: Path) -> None:
        """Delete an ended run and its files. A sweep is deleted with its trials.

        Trials that a later sweep has reused are kept.

        Raises
        ------
        RunStateError
            If the run has not ended, or belongs to an existing sweep.
        """
        record = self.read(folder)
        if not record.status.ended:
            raise RunStateError(f"run {record.run_id} is {record.status}: cancel it before deleting it")
        sweeps = {child: other.run_id for other in reversed(self.records()) for child in other.children}
        if record.run_id in sweeps:
            raise RunStateError(
                f"run {record.run_id} belongs to the sweep {sweeps[record.run_id]}: delete the sweep instead"
            )
        self._remove(folder)
        for child in record.children:
            path = folder.with_name(child)
            if sweeps[child] == record.run_id and path.is_dir():
                self._remove(path)

    def _remove(self, folder: Path) -> None:
        # Rename to a hidden name first, so that a kill in between leaves no partial run.
        hidden = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        folder.rename(hidden)
        shutil.rmtree(hidden)

    def _stored(self) -> Iterator[tuple[Path, RunRecord]]:
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise RunStateError(f"{self.folder} is not a folder of runs, but a file")
        for experiment in os.scandir(self.folder):
            if experiment.is_dir() and not experiment.name.startswith("."):
                for entry in os.scandir(experiment):
                    if not entry.name.startswith("."):
                        # The entry was deleted after it was listed, or is not a run folder.
                        with suppress(FileNotFoundError, NotADirectoryError):
                            record = self._readable(Path(entry.path))
                            if record is not None:
                                yield Path(entry.path), record

    def _readable(self, folder: Path) -> RunRecord | None:
        try:
            return RunRecord.read(folder)
        except RunStateError as error:  # one damaged record must not hide the others
            _log.warning("%s", error)
            return None

    def _corrected(self, folder: Path, record: RunRecord, alive: dict[str, bool]) -> RunRecord:
        if record.status.ended:
            return record
        cancel_requested = (folder / CANCEL_FILE).exists()
        if record.status is RunStatus.QUEUED and cancel_requested:
            return replace(record, status=RunStatus.CANCELLED)
        if record.process not in alive:
            alive[record.process] = self._is_alive(record.process)
        if alive[record.process]:
            return record
        # The process may have ended the run normally after the record was read above.
        record = RunRecord.read(folder)
        if record.status.ended:
            return record
        if cancel_requested:
            return replace(record, status=RunStatus.CANCELLED)
        return replace(record, status=RunStatus.FAILED, error=PROCESS_ENDED)

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunStateError(
                f"cannot store runs in {self.folder}: {error.strerror}. Set a folder with --runs or {RUNS.name}"
            ) from error

    def _hold_lock(self) -> None:
        with self._locking:
            if self._lock is not None:
                return
            path = self._lock_path(self._token)
            self._make(path.parent)
            # Any thread may submit a run, so the lock must not belong to one thread.
            lock = filelock.FileLock(path, thread_local=False)
            lock.acquire()
            self._lock = lock

    def _is_alive(self, token: str) -> bool:
        """Return whether the process with that token holds its lock. The system releases the lock when it ends."""
        if token == self._token:
            return True
        path = self._lock_path(token)
        try:
            held = is_held(path)
        except FileNotFoundError:
            return False
        if not held:
            with suppress(OSError):
                path.unlink()  # tokens are never reused
        return held

    def _lock_path(self, token: str) -> Path:
        return self.folder / PROCESSES / f"{token}.lock"


def is_held(path: Path) -> bool:
    """Return whether any process holds the lock on a file."""
    if sys.platform == "win32":
        path.stat()
        try:
            with filelock.FileLock(path, timeout=0):
                return False
        except filelock.Timeout:
            return True
    else:
        # A shared lock, so that concurrent checks do not see each other as the holder.
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False


def default_runs_folder() -> Path:
    """Return the default folder for runs: ``MNISTLIB_RUNS``, else ``runs`` in the current folder."""
    return Path(RUNS.get()).expanduser()


def new_run_id() -> str:
    """Return a unique id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
