"""The TLS server and the proxy before it, in one thread with one event loop."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Collection
from concurrent.futures import Future

import uvicorn
from starlette.types import ASGIApp

from mnistlib.testing.azureml.proxy import Proxy

_START_SECONDS = 30


class Server:
    """Server of one ASGI application over TLS on 127.0.0.1, behind a proxy that accepts `hosts` and no others.

    The proxy appends other names to `refused`; it listens on a free port if `proxy_port` is 0.
    """

    def __init__(self, *, tls: ssl.SSLContext, hosts: Collection[str], refused: list[str], proxy_port: int = 0) -> None:
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        # asyncio sets this option itself, but not on a socket from create_server. Without it the body of each answer
        # waits for the acknowledgement of its head, which comes 40 milliseconds later.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._proxy = Proxy(hosts, target=self._socket.getsockname()[1], refused=refused)
        self.proxy_port = proxy_port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._started: Future[None] = Future()

    def reset(self, port: int) -> None:
        """Reset the connection of the client that uses `port`; call it in the server's own thread only."""
        self._proxy.reset(port)

    def start(self, app: ASGIApp) -> None:
        """Serve `app` until :meth:`stop`; return when it can be reached."""
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Clients keep connections open over long computations, and not all of them notice a closed one.
            timeout_keep_alive=600,
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = self._tls
        serving = self._serve(uvicorn.Server(config))
        self._thread = threading.Thread(target=asyncio.run, args=(serving,), name="azureml-service", daemon=True)
        self._thread.start()
        self._started.result(_START_SECONDS)

    def stop(self) -> None:
        """Stop serving; return when all connections are closed."""
        if self._thread is not None and self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._socket.close()

    async def _serve(self, server: uvicorn.Server) -> None:
        try:
            proxy = await self._proxy.start(self.proxy_port)
        except OSError as error:  # the port is taken
            self._started.set_exception(error)
            return
        self._loop = asyncio.get_running_loop()
        async with proxy:
            self.proxy_port = proxy.sockets[0].getsockname()[1]
            # The socket listens already: clients that come before the server is ready wait.
            self._started.set_result(None)
            service = asyncio.create_task(server.serve(sockets=[self._socket]))
            await self._stop.wait()
            proxy.close()
            await self._proxy.close_connections()
            server.should_exit = True
            await service
