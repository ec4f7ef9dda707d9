"""What notes the hosts that a process looks up and connects to. It stands alone: other processes are given a copy."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOPBACK = {"127.0.0.1", "localhost", "::1"}

#: Where a starter does its work: on a process's path, or among an interpreter's packages.
ON_THE_PATH, AMONG_PACKAGES = "sitecustomize.py", "loopback.pth"

#: Audit event -> which of its arguments says where to.
_PLACES = {
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
}


def watch(note: Callable[[str], None]) -> None:
    """Tell `note` of every host that Python code looks up or connects to, for as long as the process lives."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _PLACES:
            place = arguments[_PLACES[event]]
            host = place[0] if isinstance(place, tuple) else place
            is_path = event in ("socket.connect", "socket.sendto", "socket.sendmsg") and host is place
            if host and not is_path:  # of a Unix socket; and nothing stands for this machine, or for an open connection
                note(os.fsdecode(host))

    sys.addaudithook(hook)


def watch_into(file: str) -> None:
    """Note hosts in a file, a line each, which several processes may share."""
    lines = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(host: str) -> None:
        os.write(lines, f"{host}\n".encode())

    watch(note)


def install(folder: Path, file: Path, *, starter: str) -> None:
    """Let Python processes that look into a folder when they start note hosts in a file."""
    (folder / "loopback.py").write_bytes(Path(__file__).read_bytes())
    (folder / starter).write_text(f"import loopback; loopback.watch_into({str(file)!r})\n")
