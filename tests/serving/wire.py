"""Requests as bytes."""

import json
import socket
from typing import Any

from tests.serving.servers import JSON

#: A valid body for a model of 8 x 8 images.
GOOD = json.dumps({"data": [[0.0] * 64]}).encode()


def head(length: object = None, kind: str = JSON, *more: str) -> bytes:
    lines = ["POST /score HTTP/1.1", "Host: here", f"Content-Type: {kind}", *more]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Read one answer: its status, its headers and its JSON."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        lines = iter(stream.readline, b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.decode().partition(":") for line in lines)}
        return status, headers, json.loads(stream.read(int(headers["content-length"])))
