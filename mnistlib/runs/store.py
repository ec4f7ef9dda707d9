"""A folder of runs that any number of processes use at once."""

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

from mnistlib.errors import RunNotFoundError, RunStateError
from mnistlib.files import publish_bytes
from mnistlib.runs.context import CANCEL_FILE
from mnistlib.runs.record import RECORD_FILE, RunRecord, now, require_experiment_name
from mnistlib.runs.status import RunStatus

if sys.platform != "win32":
    import fcntl

#: Folder for runs where none is named.
RUNS_VARIABLE = "MNISTLIB_RUNS"

JOB_FILE = "job.json"
PROCESS_ENDED = "the process that ran it ended before the run did"

#: Made in a runs folder before the first run: a folder that holds it is one.
PROCESSES = ".processes"
MODELS, SERVICES = ".models", ".services"
#: Where a runs folder keeps the files of runs that are kept elsewhere.
BROUGHT = ".cloud"
#: All that a runs folder holds beside its experiments, whose names never begin with a dot.
OWN_FOLDERS = (PROCESSES, MODELS, SERVICES, BROUGHT)
_log = logging.getLogger("mnistlib")


class RunStore:
    """A folder of runs.

    Parameters
    ----------
    folder : Path, optional
        Default: :func:`default_runs_folder`. It is made when the first run is.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # Absolute, since a process may go to another folder while its runs run.
        self.folder = (default_runs_folder() if folder is None else folder).absolute()
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
        """Put a new run on disk, queued, and return its folder.

        The folder appears whole or not at all. From now on this process answers for the run: when it dies, the run
        has failed.

        Raises
        ------
        JobError
            If the experiment's name is not a plain one.
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
        """Return a run's record, corrected by what its writer could no longer write."""
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
            Its id, the beginning of its id where no other begins so, or the folder itself.

        Raises
        ------
        RunNotFoundError
            If there is no such run; the message says where it was looked for.
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
                raise RunNotFoundError(f"{name!r} begins the ids of {len(found)} runs: give more of the one you mean")
        raise RunNotFoundError(
            f"no run {name!r} in {self.folder}: expected the id of a run there, or the path of a run's folder. "
            f"Name another place with --runs or {RUNS_VARIABLE}"
        )

    def folder_of(self, record: RunRecord) -> Path:
        """Return the folder of a run with this record."""
        return self.folder / record.experiment / record.run_id

    def delete(self, folder: Path) -> None:
        """Remove a run that has ended, and everything in it; of a sweep, its trials with it.

        Trials that a later sweep has taken over stay.

        Raises
        ------
        RunStateError
            If it has not ended, or belongs to a sweep that is still there.
        """
        record = self.read(folder)
        if not record.status.ended:
            raise RunStateError(f"run {record.run_id} is {record.status}: cancel it before deleting it")
        sweeps = {child: other.run_id for other in reversed(self.records()) for child in other.children}
        if record.run_id in sweeps:
            raise RunStateError(
                f"run {record.run_id} belongs to the sweep {sweeps[record.run_id]}: delete that instead"
            )
        self._remove(folder)
        for child in record.children:
            path = folder.with_name(child)
            if sweeps[child] == record.run_id and path.is_dir():
                self._remove(path)

    def _remove(self, folder: Path) -> None:
        # Out of sight first, so that a kill in between leaves no half of a run.
        hidden = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        folder.rename(hidden)
        shutil.rmtree(hidden)

    def _stored(self) -> Iterator[tuple[Path, RunRecord]]:
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise RunStateError(f"{self.folder} is a file, not a folder of runs")
        for experiment in os.scandir(self.folder):
            if experiment.is_dir() and not experiment.name.startswith("."):
                for entry in os.scandir(experiment):
                    if not entry.name.startswith("."):
                        # Deleted between the two looks, or no run's folder: not a run.
                        with suppress(FileNotFoundError, NotADirectoryError):
                            record = self._readable(Path(entry.path))
                            if record is not None:
                                yield Path(entry.path), record

    def _readable(self, folder: Path) -> RunRecord | None:
        try:
            return RunRecord.read(folder)
        except RunStateError as error:  # one damaged record must not hide all others
            _log.warning("%s", error)
            return None

    def _corrected(self, folder: Path, record: RunRecord, alive: dict[str, bool]) -> RunRecord:
        if record.status.ended:
            return record
        asked_to_stop = (folder / CANCEL_FILE).exists()
        if record.status is RunStatus.QUEUED and asked_to_stop:
            return replace(record, status=RunStatus.CANCELLED)
        if record.process not in alive:
            alive[record.process] = self._is_alive(record.process)
        if alive[record.process]:
            return record
        # It may have ended the run and then itself, between our two looks.
        record = RunRecord.read(folder)
        if record.status.ended:
            return record
        if asked_to_stop:
            return replace(record, status=RunStatus.CANCELLED)
        return replace(record, status=RunStatus.FAILED, error=PROCESS_ENDED)

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunStateError(
                f"can't keep runs in {self.folder}: {error.strerror}. Name another place with --runs or {RUNS_VARIABLE}"
            ) from error

    def _hold_lock(self) -> None:
        with self._locking:
            if self._lock is not None:
                return
            path = self._lock_path(self._token)
            self._make(path.parent)
            # Any thread may have submitted the run, so the lock must not belong to one.
            lock = filelock.FileLock(path, thread_local=False)
            lock.acquire()
            self._lock = lock

    def _is_alive(self, token: str) -> bool:
        """Whether the process of that token still holds its lock; the system lets go of it at any kind of death."""
        if token == self._token:
            return True
        path = self._lock_path(token)
        try:
            held = is_held(path)
        except FileNotFoundError:
            return False
        if not held:
            with suppress(OSError):
                path.unlink()  # no token comes twice
        return held

    def _lock_path(self, token: str) -> Path:
        return self.folder / PROCESSES / f"{token}.lock"


def is_held(path: Path) -> bool:
    """Whether some process holds the lock on a file."""
    if sys.platform == "win32":
        path.stat()
        try:
            with filelock.FileLock(path, timeout=0):
                return False
        except filelock.Timeout:
            return True
    else:
        # Shared, so that several who look at once do not take each other for the holder.
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False


def default_runs_folder() -> Path:
    """Return the folder for runs where none is named: ``MNISTLIB_RUNS``, else ``runs`` below the current one."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs").expanduser()


def new_run_id() -> str:
    """Return an id that sorts by time and that no other process makes at the same moment."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
