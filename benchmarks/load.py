"""Load generator in a process of its own: ``python -m benchmarks.load HOST PORT REQUEST_FILE CONNECTIONS SECONDS``.

As wrk does, each of a few connections sends a request, waits for the whole answer, and sends the next.
"""

import json
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Load:
    """Measurements of a server under load; times in milliseconds."""

    per_second: float
    p50: float
    p99: float
    answered: int
    failed: int


def load(address: tuple[str, int], request: bytes, *, connections: int, seconds: float) -> Load:
    """Put load on a server from another process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "request")
        file.write_bytes(request)
        arguments = [address[0], str(address[1]), str(file), str(connections), str(seconds)]
        command = [sys.executable, "-m", "benchmarks.load", *arguments]
        return Load(**json.loads(subprocess.check_output(command, cwd=ROOT)))


def post(path: str, body: bytes, kind: str) -> bytes:
    """Return the bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Connection:
    """A connection, opened again after the server closes it, and the received part of an answer."""

    def __init__(self, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self._address = address
        self._selector = selector
        self._connect()

    def send(self, request: bytes) -> None:
        self._answer = b""
        self.sent = time.perf_counter()
        self._socket.sendall(request)

    def received(self) -> int | None:
        """Receive a part; return the status once the answer is complete, else None."""
        part = self._socket.recv(65_536)
        if not part:
            raise ConnectionError("the server closed the connection without an answer")
        self._answer += part
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if not blank:
            return None
        lines = head.lower().split(b"\r\n")
        if len(body) < next(int(line[15:]) for line in lines if line.startswith(b"content-length:")):
            return None
        self.took = time.perf_counter() - self.sent
        if b"connection: close" in lines:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._connect()
        return int(lines[0].split()[1])

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(self._socket, selectors.EVENT_READ, self)


def _main() -> None:
    host, port, file, count, seconds = sys.argv[1:]
    request = Path(file).read_bytes()
    taken: list[float] = []
    failed = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(int(count)):
            _Connection((host, int(port)), selector).send(request)
        started = time.perf_counter()
        while (now := time.perf_counter()) < started + float(seconds):
            for key, _ in selector.select(1.0):
                status = key.data.received()
                if status is not None:
                    taken.append(key.data.took)
                    failed += status != 200
                    key.data.send(request)
    cuts = statistics.quantiles(taken, n=100)
    elapsed = now - started
    figures = {"per_second": len(taken) / elapsed, "p50": cuts[49] * 1e3, "p99": cuts[98] * 1e3}
    print(json.dumps({**figures, "answered": len(taken), "failed": failed}))


if __name__ == "__main__":
    _main()
