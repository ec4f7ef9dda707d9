"""A folder of runs that any number of processes use at once."""

import glob
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import filelock

from mnistlib.errors import JobError, RunNotFoundError, RunStateError
from mnistlib.files import publish_bytes
from mnistlib.runs.context import CANCEL_FILE
from mnistlib.runs.record import RECORD_FILE, RunRecord, now
from mnistlib.runs.status import RunStatus

#: Folder for runs where none is named.
RUNS_VARIABLE = "MNISTLIB_RUNS"

JOB_FILE = "job.json"
PROCESS_ENDED = "the process that ran it ended before the run did"

_PROCESSES = ".processes"


class RunStore:
    """A folder of runs.

    Parameters
    ----------
    folder : Path, optional
        Default: :func:`default_runs_folder`. It is made when the first run is.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_runs_folder() if folder is None else folder
        self._lock: filelock.BaseFileLock | None = None
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
        _check_name(experiment)
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
            unfinished.mkdir(parents=True)
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
            Its id, or the folder itself.

        Raises
        ------
        RunNotFoundError
            If there is no such run; the message says where it was looked for.
        """
        if (Path(run) / RECORD_FILE).is_file():
            return Path(run).absolute()
        name = os.fspath(run)
        if name == Path(name).name and not name.startswith("."):
            for folder in self.folder.glob(f"*/{glob.escape(name)}"):
                if (folder / RECORD_FILE).is_file():
                    return folder
        raise RunNotFoundError(
            f"no run {name!r} in {self.folder}: expected the id of a run there, or the path of a run's folder. "
            f"Name another place with --runs or {RUNS_VARIABLE}"
        )

    def folder_of(self, record: RunRecord) -> Path:
        """Return the folder of a run with this record."""
        return self.folder / record.experiment / record.run_id

    def delete(self, folder: Path) -> None:
        """Remove a run that has ended, and everything in it.

        Raises
        ------
        RunStateError
            If it has not ended.
        """
        record = self.read(folder)
        if not record.status.ended:
            raise RunStateError(f"run {record.run_id} is {record.status}: cancel it before deleting it")
        # Out of sight first, so that a kill in between leaves no half of a run.
        hidden = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        folder.rename(hidden)
        shutil.rmtree(hidden)

    def _stored(self) -> Iterator[tuple[Path, RunRecord]]:
        if not self.folder.is_dir():
            return
        for experiment in os.scandir(self.folder):
            if experiment.is_dir() and not experiment.name.startswith("."):
                for entry in os.scandir(experiment):
                    if not entry.name.startswith("."):
                        # Deleted between the two looks, or no run's folder: not a run.
                        with suppress(FileNotFoundError, NotADirectoryError):
                            yield Path(entry.path), RunRecord.read(Path(entry.path))

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

    def _hold_lock(self) -> None:
        if self._lock is None:
            path = self._lock_path(self._token)
            path.parent.mkdir(parents=True, exist_ok=True)
            # Any thread may have submitted the run, so the lock must not belong to one.
            lock = filelock.FileLock(path, thread_local=False)
            lock.acquire()
            self._lock = lock

    def _is_alive(self, token: str) -> bool:
        """Whether the process of that token still holds its lock; the system lets go of it at any kind of death."""
        path = self._lock_path(token)
        if token == self._token or not path.exists():
            return token == self._token
        try:
            with filelock.FileLock(path, timeout=0):
                return False
        except filelock.Timeout:
            return True

    def _lock_path(self, token: str) -> Path:
        return self.folder / _PROCESSES / f"{token}.lock"


def default_runs_folder() -> Path:
    """Return the folder for runs where none is named: ``MNISTLIB_RUNS``, else ``runs`` below the current one."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs").expanduser()


def new_run_id() -> str:
    """Return an id that sorts by time and that no other process makes at the same moment."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _check_name(experiment: str) -> None:
    allowed = experiment.replace("-", "_").replace("_", "a")
    if not (allowed.isalnum() and allowed.isascii() and experiment[0].isalnum() and len(experiment) <= 255):
        raise JobError(
            "an experiment's name must be up to 255 letters, digits, - and _, "
            f"beginning with a letter or digit, not {experiment!r}"
        )
