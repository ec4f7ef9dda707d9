"""The proxy: it connects Azure's host names to the emulator on loopback, and refuses all others."""

import asyncio
import logging
import socket
import struct
from collections.abc import Collection

logger = logging.getLogger(__name__)

_LONGEST_HEAD = 1 << 16
_CHUNK = 1 << 18

#: Close a connection with a reset.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Proxy for ``CONNECT host:443`` to `hosts`, which are all at the port `target`; it appends others to `refused`.

    In `hosts` ``*.example.com`` stands for any first label.
    """

    def __init__(self, hosts: Collection[str], *, target: int, refused: list[str]) -> None:
        self._hosts = hosts
        self._target = target
        self._refused = refused
        self._clients: dict[int, asyncio.StreamWriter] = {}
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def start(self, port: int) -> asyncio.Server:
        """Listen on 127.0.0.1; `port` 0 takes a free one."""
        return await asyncio.start_server(self._answer, "127.0.0.1", port, limit=_LONGEST_HEAD)

    def reset(self, port: int) -> None:
        """Reset the client's connection that reaches the emulator from `port`."""
        client = self._clients.get(port)
        if client is not None:
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.transport.abort()

    async def close_connections(self) -> None:
        """End all connections: clients keep idle ones open for long."""
        tasks = list(self._connections.values())
        for writer in list(self._connections):
            writer.transport.abort()
        await asyncio.gather(*tasks)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self._connections[writer] = task
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target = head.split(b" ", 2)[:2]
            host = _host_of(method, target)
            if method != b"CONNECT" or target.rpartition(b":")[2] != b"443" or not self._is_ours(host):
                await self._refuse(writer, f"{method.decode()} {target.decode()}", host)
            else:
                await self._tunnel(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            pass  # the client has closed the connection, or does not speak HTTP
        finally:
            del self._connections[writer]
            writer.close()

    def _is_ours(self, host: str) -> bool:
        return host in self._hosts or f"*.{host.partition('.')[2]}" in self._hosts

    async def _refuse(self, writer: asyncio.StreamWriter, call: str, host: str) -> None:
        self._refused.append(host)
        logger.error("refused %s: nothing but the emulated service can be reached", call)
        text = f"{host} is not part of the emulated Azure ML service, and nothing leaves this machine.\n".encode()
        head = f"HTTP/1.1 403 Refused by the emulator\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + text)
        await writer.drain()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        service_reader, service_writer = await asyncio.open_connection("127.0.0.1", self._target)
        port = service_writer.get_extra_info("sockname")[1]
        self._clients[port] = writer
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            # The end of one side ends both: HTTP needs no half-open connection.
            pumps = [
                asyncio.create_task(_pump(reader, service_writer)),
                asyncio.create_task(_pump(service_reader, writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            del self._clients[port]
            service_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()


def _host_of(method: bytes, target: bytes) -> str:
    """Return the host of ``host:443`` or of ``http://host:80/path``."""
    authority = target if method == b"CONNECT" else target.partition(b"://")[2].partition(b"/")[0]
    return authority.rpartition(b":")[0].decode().lower() or authority.decode().lower()
