"""The door: a proxy that leads Azure's names to the service on loopback, and nothing anywhere else."""

import asyncio
import logging
import socket
import struct
from collections.abc import Collection

logger = logging.getLogger(__name__)

_LONGEST_HEAD = 1 << 16
_CHUNK = 1 << 18

#: Close with a reset in place of a goodbye.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Answers ``CONNECT host:443`` for the service's own names; all else is refused, and remembered.

    Parameters
    ----------
    hosts : collection of str
        The names that are answered; ``*.example.com`` stands for every name with one word before that.
    target : int
        The port of the service on 127.0.0.1.
    refused : list of str
        Where the names that somebody else asked for are added.
    """

    def __init__(self, hosts: Collection[str], *, target: int, refused: list[str]) -> None:
        self._hosts = hosts
        self._target = target
        self._refused = refused
        self._clients: dict[int, asyncio.StreamWriter] = {}
        self._talks: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def start(self, port: int) -> asyncio.Server:
        """Listen on 127.0.0.1; `port` 0 takes a free one."""
        return await asyncio.start_server(self._answer, "127.0.0.1", port, limit=_LONGEST_HEAD)

    def reset(self, port: int) -> None:
        """Cut off the client whose requests reach the service from `port`, in the middle of whatever it does."""
        client = self._clients.get(port)
        if client is not None:
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.transport.abort()

    async def hang_up(self) -> None:
        """End all connections: clients keep idle ones open for longer than anybody wants to wait."""
        talks = list(self._talks.values())
        for writer in list(self._talks):
            writer.transport.abort()
        await asyncio.gather(*talks)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk: asyncio.Task[None] | None = asyncio.current_task()
        assert talk is not None
        self._talks[writer] = talk
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target = head.split(b" ", 2)[:2]
            host = _host_of(method, target)
            if method != b"CONNECT" or target.rpartition(b":")[2] != b"443" or not self._is_ours(host):
                await self._refuse(writer, f"{method.decode()} {target.decode()}", host)
            else:
                await self._tunnel(reader, writer)
        except (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ConnectionError,
            ValueError,
            UnicodeDecodeError,
        ):
            pass  # whoever called has hung up, or speaks no HTTP
        finally:
            del self._talks[writer]
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
            # Either side's end is the end of both: HTTP needs no half-open connection.
            ways = [
                asyncio.create_task(_pump(reader, service_writer)),
                asyncio.create_task(_pump(service_reader, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
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
