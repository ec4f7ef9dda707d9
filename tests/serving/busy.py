"""Server with a model that blocks until a test releases it."""

import json
import socket
from pathlib import Path
from typing import Any

from tests.serving.servers import Server, until
from tests.serving.wire import answer_of, head


class Busy:
    """A server with a blocked model, and the waiting requests."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._waiting: list[socket.socket] = []

    def ask(self, rows: int = 1) -> socket.socket:
        """Send a request without waiting for the response."""
        body = json.dumps({"data": [[0, 1]] * rows}).encode()
        connection = self.server.connect()
        connection.sendall(head(len(body)) + body)
        self._waiting.append(connection)
        return connection

    def ask_and_wait_until_it_is_in_line(self, rows: int = 1) -> socket.socket:
        before = self.in_progress()
        connection = self.ask(rows)
        until(lambda: self.in_progress() == before + 1, "a request in line")
        return connection

    def leave(self, connection: socket.socket) -> None:
        """Close the connection of a request, as a client that has gone."""
        self._waiting.remove(connection)
        connection.close()

    def in_progress(self) -> float:
        return self.server.count("mnistlib_requests_in_progress")

    def calls(self) -> list[int]:
        """Return the number of rows of each call of the model so far."""
        calls = sorted((self._folder / "calls").iterdir(), key=lambda file: int(file.name))
        return [int(call.read_text()) for call in calls]

    def wait_for_the_call(self, count: int) -> None:
        until(lambda: len(self.calls()) >= count, f"call {count} of the model")

    def let_go(self) -> None:
        (self._folder / "go").touch()

    def answers(self) -> list[tuple[int, Any]]:
        """Return status and JSON of every response."""
        answers = [answer_of(connection) for connection in self._waiting]
        self.close()
        return [(status, content) for status, _, content in answers]

    def close(self) -> None:
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()
