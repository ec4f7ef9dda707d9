"""Services on this machine: each a process of ``mnistlib serve``, which outlives the one that started it.

::

    <name>/service.json   the model, and when it was deployed
    <name>/process        its process id
    <name>/ready.json     what the process has said of itself once it answered
    <name>/log.txt        what else it has said
    <name>/alive          locked for as long as the process lives, however it ends

A new service is made under a name of its own and gets the one it was asked for when it answers. So whatever is killed,
there is the old service under a name, or the new one, or none.
"""

import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import filelock

from mnistlib.backends.local.spec import LocalDeployment
from mnistlib.errors import DeploymentError, MissingExtraError, ServiceNotFoundError
from mnistlib.files import publish_bytes
from mnistlib.models.client import TOKEN_VARIABLE
from mnistlib.models.interfaces import Services
from mnistlib.models.service import Service, ServiceStatus, require_service_name
from mnistlib.models.version import ModelVersion
from mnistlib.package import FOLDER
from mnistlib.runs.record import now
from mnistlib.runs.store import SERVICES, is_held
from mnistlib.serving import packages

_RECORD, _PROCESS, _READY, _LOG, _ALIVE = "service.json", "process", "ready.json", "log.txt", "alive"
_MAKING = ".making"  # begins the names of folders that are no services yet, or no longer; no service's does with a dot

_START_SECONDS = 120.0
_END_SECONDS = 40.0  # more than a server gives the requests in flight
_PAUSE = 0.02
_TOLD_LINES = 10


class LocalService(Service):
    """A service on this machine.

    Parameters
    ----------
    folder : Path
        Where it is kept; its name is the service's.
    """

    takes_idx = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.name)
        self._folder = folder

    @property
    def model(self) -> str:
        """The registered model that answers, as ``name:version``."""
        return str(self._read(_RECORD)["model"])

    @property
    def status(self) -> ServiceStatus:
        """What has become of it."""
        self._read(_RECORD)
        return ServiceStatus.RUNNING if _is_alive(self._folder) else ServiceStatus.FAILED

    @property
    def scoring_uri(self) -> str:
        """The address that takes images and answers labels."""
        return str(self._read(_READY)["scoring_uri"])

    @property
    def key(self) -> None:
        """None: only this machine reaches it."""
        return None

    def logs(self) -> str:
        """Return what the service has said so far."""
        self._read(_RECORD)
        return _log_of(self._folder)

    def delete(self) -> None:
        """Let it finish what it has begun, end it and forget it; see :meth:`Service.delete`."""
        _end(self._take_away())

    def _take_away(self) -> Path:
        """Take the name from a service, and return its folder, which has one now that the next deployment cleans up."""
        folder = _nameless(self._folder)
        try:
            self._folder.rename(folder)
        except FileNotFoundError as error:
            raise ServiceNotFoundError(f"there is no service {self.name!r}, or no longer") from error
        return folder

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self._folder / name).read_bytes())
        except FileNotFoundError as error:
            raise ServiceNotFoundError(f"there is no service {self.name!r}, or no longer") from error
        return content


class LocalServices(Services):
    """The services of a folder of runs.

    Parameters
    ----------
    runs_folder : Path
        Holds the runs and the models.
    """

    def __init__(self, runs_folder: Path) -> None:
        self._runs_folder = runs_folder
        self._folder = runs_folder / SERVICES

    def deploy(self, model: ModelVersion, name: str, *, replace: bool = False, **options: Any) -> LocalService:
        """Start a process that answers with a model; see :meth:`Services.deploy`.

        One that is to be replaced goes on until the new one answers, at another address, unless the new one is to have
        its port.

        Parameters
        ----------
        model, name, replace
            As every backend has them.
        **options
            As `LocalDeployment` has them.
        """
        port = LocalDeployment(**options).port
        require_service_name(name)
        if not packages.are_installed():
            raise MissingExtraError("A service", "serve")
        if sys.platform == "win32":
            raise DeploymentError("on Windows a service can't outlive this process: run mnistlib serve in a window")
        if not isinstance(model.services, LocalServices) or model.services._folder != self._folder:
            raise DeploymentError(f"model {model.id} is registered elsewhere: register it in {self._runs_folder} first")
        service = LocalService(self._folder / name)
        with self._deploying(name):
            if service._folder.exists() and not replace:
                raise DeploymentError(
                    f"there is a service {name!r} already, with {service.model}, {service.status}: choose another "
                    "name, delete it, or let this one take its place with replace=True (--replace)"
                )
            if port and service._folder.exists() and urlsplit(service.scoring_uri).port == port:
                _end(service._take_away())
            made = self._start(model, name, port)
            with suppress(ServiceNotFoundError):  # there was none, or it is being deleted
                before = service._take_away()
                made.rename(service._folder)
                _end(before)
                return service
            made.rename(service._folder)
        return service

    def list(self) -> Sequence[LocalService]:
        """Return handles on all services; see :meth:`Services.list`."""
        return [LocalService(record.parent) for record in sorted(self._folder.glob(f"[a-z]*/{_RECORD}"))]

    def get(self, name: str) -> LocalService:
        """Return a handle on a service; see :meth:`Services.get`."""
        known = {service.name: service for service in self.list()}
        if name not in known:
            raise ServiceNotFoundError(self.what_there_is(name))
        return known[name]

    def _start(self, model: ModelVersion, name: str, port: int) -> Path:
        """Return the folder of a new process that answers."""
        self._end_what_was_left()
        folder = _nameless(self._folder / name)
        folder.mkdir()
        try:
            publish_bytes(folder / _RECORD, json.dumps({"model": model.id, "created": now()}).encode())
            self._spawn(folder, ["serve", model.id, "--port", str(port)])
            _wait_until_ready(folder, name)
        except BaseException:
            _end(folder)
            raise
        return folder

    def _spawn(self, folder: Path, arguments: Sequence[str]) -> None:
        """Start a process in a session of its own, which holds the lock on ``alive`` until it ends."""
        import fcntl

        command = [sys.executable, "-m", "mnistlib", *arguments]
        command += ["--json", "--backend", "local", "--runs", str(self._runs_folder.resolve())]
        here = str(FOLDER.parent)
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}
        variables.pop(TOKEN_VARIABLE, None)  # whoever is on this machine may ask
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        alive = os.open(folder / _ALIVE, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(alive, fcntl.LOCK_EX)
            number = os.posix_spawn(
                sys.executable,
                command,
                variables,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(folder / _READY), flags, 0o600),
                    (os.POSIX_SPAWN_OPEN, 2, str(folder / _LOG), flags, 0o600),
                    # A copy for this child only, not for what another thread may start meanwhile.
                    (os.POSIX_SPAWN_DUP2, alive, 3 if alive != 3 else 4),
                ],
                setsid=True,
            )
            publish_bytes(folder / _PROCESS, str(number).encode())
        finally:
            os.close(alive)  # the lock is the child's now, if there is one

    def _end_what_was_left(self) -> None:
        """End what has no name because whoever made or ended it was killed: nobody holds the lock of its deployment."""
        for folder in self._folder.glob(f"{_MAKING}-*"):
            name = folder.name.removeprefix(f"{_MAKING}-").rpartition(".")[0]
            with suppress(filelock.Timeout), self._lock_of(name):
                _end(folder)

    def _lock_of(self, name: str) -> filelock.BaseFileLock:
        """Return what is held by whoever deploys a name; more than once by one process, if need be."""
        return filelock.FileLock(self._folder / f".{name}.lock", timeout=0, is_singleton=True)

    @contextmanager
    def _deploying(self, name: str) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock_of(name):
                yield
        except filelock.Timeout as error:
            raise DeploymentError(f"another process is deploying {name!r} just now: wait for it") from error


def _nameless(folder: Path) -> Path:
    """Return a folder beside that of a service, for one that is not ready yet, or that ends."""
    return folder.with_name(f"{_MAKING}-{folder.name}.{secrets.token_hex(4)}")


def _wait_until_ready(folder: Path, name: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        alive = _is_alive(folder)  # asked first: the process may say that it is ready, and then end
        with suppress(FileNotFoundError, ValueError):  # half a JSON object is none
            json.loads((folder / _READY).read_bytes())
            return
        if not alive or time.monotonic() > deadline:
            what = "takes too long to start" if alive else "did not start"
            raise DeploymentError(f"service {name!r} {what}", log_tail=_log_of(folder).splitlines()[-_TOLD_LINES:])
        time.sleep(_PAUSE)


def _log_of(folder: Path) -> str:
    try:
        return (folder / _LOG).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _end(folder: Path) -> None:
    """End the process of a folder, gently, and remove the folder."""
    deadline = time.monotonic() + _START_SECONDS
    # Whoever started it may have been killed before it noted the process, which then says so itself.
    while (number := _process_of(folder)) is None and _is_alive(folder) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        if number is None or not _is_alive(folder):
            break
        # While the lock is held, the process id is that of the process that holds it, and of no other.
        with suppress(ProcessLookupError):
            os.kill(number, last_word)
        deadline = time.monotonic() + _END_SECONDS
        while _is_alive(folder) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
    if number is not None:
        with suppress(ChildProcessError):  # it is a child of another process
            os.waitpid(number, os.WNOHANG)
    # Two processes may be at it; and what stays, whatever the reason, has no service's name.
    shutil.rmtree(folder, ignore_errors=True)


def _is_alive(folder: Path) -> bool:
    try:
        return is_held(folder / _ALIVE)
    except FileNotFoundError:
        return False


def _process_of(folder: Path) -> int | None:
    with suppress(FileNotFoundError):
        return int((folder / _PROCESS).read_bytes())
    with suppress(FileNotFoundError, ValueError):  # half a JSON object is none
        return int(json.loads((folder / _READY).read_bytes())["pid"])
    return None
