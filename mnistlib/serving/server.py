"""Process of a service: its socket, its start and its shutdown."""

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

#: Seconds for open requests to finish during shutdown.
PATIENCE = 30

_log = logging.getLogger("mnistlib")


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raise DeploymentError if the address is not available; the message gives the reason and the remedy.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise DeploymentError(
            f"can't listen on {host} port {port}: {error}. Choose another --port (0 selects a free one) or --host"
        ) from error


def address_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ScoringApp, listening: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve requests until SIGTERM or Ctrl-C, then finish the open ones and close the socket.

    Call `ready` once connections are accepted. Raise KeyboardInterrupt if Ctrl-C ended the server.
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
    # Batches are small: more BLAS threads would only slow down the threads that respond.
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
        """Shut down on a signal. uvicorn would raise it again after shutdown, and SIGTERM would kill the process."""

        def end(number: int, frame: FrameType | None) -> None:
            self.interrupted = number == signal.SIGINT
            _log.info("shutting down after the open requests")
            self.handle_exit(number, frame)

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
