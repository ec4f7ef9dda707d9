"""Real servers in separate processes, and the requests of tests."""

import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from mnistlib import write_idx
from mnistlib.serving.packages import PACKAGES

JSON, IDX, PNG = "application/json", "application/octet-stream", "image/png"

#: Mark of a test that needs the extra "serve".
needs_server = pytest.mark.needs(*PACKAGES)

_HERE = Path(__file__).parent
_SECONDS = 60.0


class Server:
    """A process of ``mnistlib serve``, and a persistent connection to it.

    Attributes
    ----------
    process : Popen
        The process.
    about : dict
        Its JSON on stdout.
    log : Path
        Its stderr.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", about: dict[str, Any], log: Path) -> None:
        self.process, self.about, self.log = process, about, log
        self.uri: str = about["scoring_uri"]
        self.session = requests.Session()
        self.session.trust_env = False

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.uri)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def url(self, path: str) -> str:
        return self.uri.removesuffix("/score") + path

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url(path), timeout=_SECONDS, **options)

    def post(self, content: Any, kind: str = JSON, *, path: str = "/score", **options: Any) -> requests.Response:
        """Post a body: bytes unchanged, other content as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": kind} | options.pop("headers", {})
        return self.session.post(self.url(path), data=body, headers=headers, timeout=_SECONDS, **options)

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return all metrics of the service: name and labels -> value."""
        from prometheus_client.parser import text_string_to_metric_families

        families = text_string_to_metric_families(self.get("/metrics").text)
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def count(self, name: str = "mnistlib_requests_total", **labels: str) -> float:
        """Return one metric; by default the number of responses."""
        return self.metrics().get((name, frozenset(labels.items())), 0.0)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=_SECONDS)

    def memory(self) -> int:
        """Return the current memory of the process in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak(self) -> int:
        """Return the peak memory of the process in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(_SECONDS)


def environment(**more: str) -> dict[str, str]:
    """Return environment variables like those of a shell; unbuffered output would hide a missing flush."""
    known = {name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", "MNISTLIB_TOKEN")}
    paths = filter(None, [os.environ.get("PYTHONPATH"), str(_HERE)])
    return known | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"} | more


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mnistlib", *map(str, arguments)]


def run(*arguments: object, status: int = 0, **variables: str) -> str:
    """Return the stdout of a command, or its last line of stderr if it fails as expected."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, env=environment(**variables), check=False
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    if status:
        assert done.stdout == ""
        return done.stderr.splitlines()[-1]
    return done.stdout


@contextmanager
def serving(
    folder: Path, *arguments: object, run: list[str] | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a server, by default with ``mnistlib serve``, and stop it at the end."""
    words = run or command("serve", *arguments, "--port", "0", "--json")
    log = folder / f"log-{os.urandom(4).hex()}.txt"
    with log.open("wb") as said:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said, env=environment(**(variables or {})))
    try:
        server = Server(process, _first_object(process, log), log)
        yield server
        server.session.close()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(_SECONDS)
        assert process.stdout
        process.stdout.close()


def _first_object(process: "subprocess.Popen[bytes]", log: Path) -> dict[str, Any]:
    assert process.stdout
    deadline, text = time.monotonic() + _SECONDS, b""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 1.0)
        part = os.read(process.stdout.fileno(), 65536) if ready else b""
        text += part
        with suppress(ValueError):
            return dict(json.loads(text))
        if ready and not part:
            break
    raise AssertionError(f"no server: stdout {text!r}, stderr {log.read_text()}")


def until(happened: Callable[[], Any], event: str) -> Any:
    """Wait until a function returns a true value, and return it; fail after a minute."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if found := happened():
            return found
        time.sleep(0.005)
    raise AssertionError(f"{event} did not happen within {_SECONDS:g} seconds")


def idx(array: NDArray[Any]) -> bytes:
    """Return an array as IDX bytes."""
    file = io.BytesIO()
    write_idx(file, array)
    return file.getvalue()


def digit_picture(digit: NDArray[np.uint8], *, factor: int = 12, margin: int = 20) -> NDArray[np.uint8]:
    """Return a small digit as a large picture, light on dark, with room around it."""
    return np.pad(np.kron(digit, np.ones((factor, factor), np.uint8)), margin)


def refusal(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    """Check the status, code and schema of an error response, and return the error."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == JSON
    content = answer.json()
    assert set(content) == {"error"}
    error: dict[str, Any] = content["error"]
    assert set(error) == {"code", "message", "where"}
    assert error["code"] == code
    assert error["message"]
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    return error
