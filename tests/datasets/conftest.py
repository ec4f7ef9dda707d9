import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mnistlib.datasets.catalog import CATALOG, ROLES, CatalogEntry, CatalogFile
from mnistlib.idx import write_idx


@dataclass
class Mirror:
    """A real HTTP server on loopback that serves files, and misbehaves on request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def serve(self, folder: Path, prefix: str = "") -> None:
        for path in folder.iterdir():
            self.files[f"{prefix}/{path.name}"] = path.read_bytes()


@pytest.fixture
def mirrors() -> Iterator[tuple[Mirror, Mirror]]:
    """Two servers that serve nothing yet."""
    first, second = Mirror(), Mirror()
    servers = [_start(first), _start(second)]
    yield first, second
    for server in servers:
        server.shutdown()
        server.server_close()


def _start(mirror: Mirror) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.requests.append(self.path)
            content = mirror.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: mirror.cut_after.get(self.path, len(content))])

        def log_message(self, *_: object) -> None:
            """Keep the test's output free of the server's log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def make_arrays(train: int = 30, test: int = 10) -> dict[str, np.ndarray]:
    """Small images that depend on their label, and the labels, by role."""
    generator = np.random.default_rng(7)
    arrays: dict[str, np.ndarray] = {}
    for which, count in (("train", train), ("test", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        noise = generator.integers(0, 40, (count, 4, 5), dtype=np.uint8)
        arrays[f"{which}-images"] = noise + (labels * 20)[:, None, None]
        arrays[f"{which}-labels"] = labels
    return arrays


PUBLISHED = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "test-images": "t10k-images-idx3-ubyte",
    "test-labels": "t10k-labels-idx1-ubyte",
}


def write_files(folder: Path, names: dict[str, str], **arrays: np.ndarray) -> Path:
    """Write a small data set into a folder, under the given names by role."""
    contents = make_arrays() | {role.replace("_", "-"): array for role, array in arrays.items()}
    for role, name in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_idx(path, contents[role])
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with a small data set under the published names, compressed."""
    return write_files(tmp_path / "published", {role: f"{name}.gz" for role, name in PUBLISHED.items()})


@pytest.fixture
def tiny(published: Path, mirrors: tuple[Mirror, Mirror], monkeypatch: pytest.MonkeyPatch) -> CatalogEntry:
    """A catalogued data set "tiny" with two mirrors, of which none serves anything yet."""
    files = {}
    for role in ROLES:
        content = (published / f"{PUBLISHED[role]}.gz").read_bytes()
        files[role] = CatalogFile(
            f"{PUBLISHED[role]}.gz",
            hashlib.sha256(content).hexdigest(),
            hashlib.sha256(gzip.decompress(content)).hexdigest(),
        )
    entry = CatalogEntry("tiny", tuple("0123456789"), files, (mirrors[0].url, mirrors[1].url))
    monkeypatch.setitem(CATALOG, "tiny", entry)
    return entry
