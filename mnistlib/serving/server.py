"""The process of a service: where it listens, and how it ends."""

import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from threadpoolctl import threadpool_limits

from mnistlib.errors import DeploymentError
from mnistlib.serving.app import ScoringApp

#: Seconds that requests in flight are given to be answered, once the process is told to end.
PATIENCE = 30

_log = logging.getLogger("mnistlib")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections.

    Raises
    ------
    DeploymentError
        If that address can't be had; the message says why and what to do.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise DeploymentError(
            f"can't listen on {host} port {port}: {error}. Name another --port (0 takes any that is free) or --host"
        ) from error


def address_of(listening: socket.socket) -> str:
    """Return the address of a socket as a browser takes it."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ScoringApp, listening: socket.socket, *, ready: Callable[[], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then finish those that have come.

    Parameters
    ----------
    app : ScoringApp
        What answers.
    listening : socket
        Where it listens; closed at the end.
    ready : callable
        Called once connections are taken.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C ended it.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=PATIENCE,
    )
    server = _Server(config, ready, app.hurry)
    # Rows are few at a time: further threads for them would only get in the way of those that answer.
    with threadpool_limits(limits=1, user_api="blas"):
        server.run(sockets=[listening])
    if server.interrupted:
        raise KeyboardInterrupt


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], hurry: Callable[[], None]) -> None:
        super().__init__(config)
        self.interrupted = False
        self._ready = ready
        self._hurry = hurry

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hurry()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on a signal without passing it on: uvicorn would raise it again, and die of a SIGTERM it has obeyed."""

        def end(number: int, frame: FrameType | None) -> None:
            self.interrupted = number == signal.SIGINT
            _log.info("finishing what has come, then ending")
            self.handle_exit(number, frame)

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
