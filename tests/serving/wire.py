"""Requests as bytes, and files as no program makes them."""

import json
import socket
import struct
import zlib
from typing import Any

from tests.serving.servers import JSON

#: A body that a model of 8 x 8 images takes.
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


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def empty_png(width: int, height: int, depth: int = 1) -> bytes:
    """A picture of black pixels, as a small file whatever their number."""
    row = b"\0" * (1 + (width * depth + 7) // 8)
    packing = zlib.compressobj(9)
    pixels = b"".join(packing.compress(row) for _ in range(height)) + packing.flush()
    head = struct.pack(">2I5B", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
