"""Services on this machine: each a process of ``mnistlib serve``, independent of the process that started it.

::

    <name>/service.json   the model, and the time of deployment
    <name>/process        process id
    <name>/ready.json     standard output: address and process id, written when the service is ready
    <name>/log.txt        standard error
    <name>/alive          locked while the process is alive

A new service is created in a temporary folder, which is renamed when the service answers. A kill at any time leaves the
old service under the name, or the new one, or none.
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
from mnistlib.environment import TOKEN
from mnistlib.errors import DeploymentError, MissingExtraError, ServiceNotFoundError
from mnistlib.files import publish_bytes
from mnistlib.models.interfaces import Services
from mnistlib.models.service import Service, ServiceStatus, require_service_name
from mnistlib.models.version import ModelVersion
from mnistlib.package import FOLDER
from mnistlib.runs.record import now
from mnistlib.runs.store import SERVICES, is_held
from mnistlib.serving import packages

_RECORD, _PROCESS, _READY, _LOG, _ALIVE = "service.json", "process", "ready.json", "log.txt", "alive"
_MAKING = ".making"  # prefix of folders of services that start or end; a service's name never begins with a dot

_START_SECONDS = 120.0
_END_SECONDS = 40.0  # more than a server's timeout for requests in flight
_PAUSE = 0.02
_LAST_LINES = 10


class LocalService(Service):
    """A service on this machine; its folder has the service's name."""

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
        """Status of the service."""
        self._read(_RECORD)
        return ServiceStatus.RUNNING if _is_alive(self._folder) else ServiceStatus.FAILED

    @property
    def scoring_uri(self) -> str:
        """The address that takes images and answers labels."""
        return str(self._read(_READY)["scoring_uri"])

    @property
    def key(self) -> None:
        """None: only this machine can reach the service."""
        return None

    def logs(self) -> str:
        """Return the log of the service so far."""
        self._read(_RECORD)
        return _log_of(self._folder)

    def delete(self) -> None:
        """Stop the service after the requests in flight, and remove it; see :meth:`Service.delete`."""
        _end(self._take_away())

    def _take_away(self) -> Path:
        """Rename the service's folder to a temporary name, which a later deployment cleans up, and return it."""
        folder = _nameless(self._folder)
        try:
            self._folder.rename(folder)
        except FileNotFoundError as error:
            raise ServiceNotFoundError(f"no service {self.name!r}: it has been deleted") from error
        return folder

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self._folder / name).read_bytes())
        except FileNotFoundError as error:
            raise ServiceNotFoundError(f"no service {self.name!r}: it has been deleted") from error
        return content


class LocalServices(Services):
    """The services of a runs folder, which also has the models."""

    def __init__(self, runs_folder: Path) -> None:
        self._runs_folder = runs_folder
        self._folder = runs_folder / SERVICES

    def deploy(self, model: ModelVersion, name: str, *, replace: bool = False, **options: Any) -> LocalService:
        """Start a process that serves a model; see :meth:`Services.deploy`.

        A service to be replaced runs until the new one answers at another address; if the new one uses the same port,
        it is stopped before.

        Parameters
        ----------
        model, name, replace
            As for :meth:`Services.deploy`.
        **options
            The fields of `LocalDeployment`.
        """
        port = LocalDeployment(**options).port
        require_service_name(name)
        if not packages.are_installed():
            raise MissingExtraError("A service", "serve")
        if sys.platform == "win32":
            raise DeploymentError("can't deploy in the background on Windows: run mnistlib serve in a terminal")
        if not isinstance(model.services, LocalServices) or model.services._folder != self._folder:
            raise DeploymentError(f"model {model.id} is registered elsewhere: register it in {self._runs_folder} first")
        service = LocalService(self._folder / name)
        with self._deploying(name):
            if service._folder.exists() and not replace:
                raise DeploymentError(
                    f"service {name!r} exists already, with {service.model}, {service.status}: choose another name, "
                    "delete it, or replace it with replace=True (--replace)"
                )
            if port and service._folder.exists() and urlsplit(service.scoring_uri).port == port:
                _end(service._take_away())
            made = self._start(model, name, port)
            with suppress(ServiceNotFoundError):  # no service to replace, or it is being deleted
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
            raise ServiceNotFoundError(self.not_found_message(name))
        return known[name]

    def _start(self, model: ModelVersion, name: str, port: int) -> Path:
        """Start a process, wait until it answers, and return its folder."""
        self._clean_up()
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
        """Start a process in its own session, which holds the lock on ``alive`` until it ends."""
        import fcntl

        command = [sys.executable, "-m", "mnistlib", *arguments]
        command += ["--json", "--backend", "local", "--runs", str(self._runs_folder.resolve())]
        here = str(FOLDER.parent)
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}
        variables.pop(TOKEN.name, None)  # no key: all users of this machine may send requests
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
                    # A copy for this child only, not for a process that another thread starts meanwhile.
                    (os.POSIX_SPAWN_DUP2, alive, 3 if alive != 3 else 4),
                ],
                setsid=True,
            )
            publish_bytes(folder / _PROCESS, str(number).encode())
        finally:
            os.close(alive)  # the child, if it was started, still holds the lock

    def _clean_up(self) -> None:
        """End services in temporary folders after a killed deployment, if its lock is free."""
        for folder in self._folder.glob(f"{_MAKING}-*"):
            name = folder.name.removeprefix(f"{_MAKING}-").rpartition(".")[0]
            with suppress(filelock.Timeout), self._lock_of(name):
                _end(folder)

    def _lock_of(self, name: str) -> filelock.BaseFileLock:
        """Return the lock for deployments of a name; one process may acquire it repeatedly."""
        return filelock.FileLock(self._folder / f".{name}.lock", timeout=0, is_singleton=True)

    @contextmanager
    def _deploying(self, name: str) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock_of(name):
                yield
        except filelock.Timeout as error:
            raise DeploymentError(f"another process is deploying {name!r}: try again when it is done") from error


def _nameless(folder: Path) -> Path:
    """Return a new temporary path beside a service's folder, for a service that starts or ends."""
    return folder.with_name(f"{_MAKING}-{folder.name}.{secrets.token_hex(4)}")


def _wait_until_ready(folder: Path, name: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        alive = _is_alive(folder)  # read first: the process may become ready and then end
        with suppress(FileNotFoundError, ValueError):  # ValueError: written in part
            json.loads((folder / _READY).read_bytes())
            return
        if not alive or time.monotonic() > deadline:
            problem = f"is not ready after {_START_SECONDS:g} seconds" if alive else "did not start"
            raise DeploymentError(f"service {name!r} {problem}", log_tail=_log_of(folder).splitlines()[-_LAST_LINES:])
        time.sleep(_PAUSE)


def _log_of(folder: Path) -> str:
    try:
        return (folder / _LOG).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _end(folder: Path) -> None:
    """Stop the process of a folder, with SIGTERM first, and remove the folder."""
    deadline = time.monotonic() + _START_SECONDS
    # The deployment may have been killed before it wrote the process id; then the process writes it when ready.
    while (number := _process_of(folder)) is None and _is_alive(folder) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    for each in (signal.SIGTERM, signal.SIGKILL):
        if number is None or not _is_alive(folder):
            break
        # While the lock is held, the process id can't belong to another process.
        with suppress(ProcessLookupError):
            os.kill(number, each)
        deadline = time.monotonic() + _END_SECONDS
        while _is_alive(folder) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
    if number is not None:
        with suppress(ChildProcessError):  # it is a child of another process
            os.waitpid(number, os.WNOHANG)
    # Another process may remove the folder at the same time; a rest does no harm: it has no service's name.
    shutil.rmtree(folder, ignore_errors=True)


def _is_alive(folder: Path) -> bool:
    try:
        return is_held(folder / _ALIVE)
    except FileNotFoundError:
        return False


def _process_of(folder: Path) -> int | None:
    with suppress(FileNotFoundError):
        return int((folder / _PROCESS).read_bytes())
    with suppress(FileNotFoundError, ValueError):  # ValueError: written in part
        return int(json.loads((folder / _READY).read_bytes())["pid"])
    return None
