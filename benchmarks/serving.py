"""A model served by ``mnistlib serve`` and by Microsoft's own server: ``python -m benchmarks.serving [--json]``.

The other server is azureml-inference-server-http, the server of all images for Azure Machine Learning, with an entry
script like the tutorial's. It runs in its own virtual environment (this needs a package index) with the same model,
NumPy and scikit-learn. The servers take turns of five seconds, so that other load on the machine affects both.
"""

import gzip
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import requests

from benchmarks.harness import MIB, Bar, arguments, show, time_in_turns, times_bar
from benchmarks.load import Load, load, post
from mnistlib import LocalBackend, TrainJob, load_dataset, write_idx

ROUNDS = 5
SECONDS = 5.0
CONNECTIONS = 8
SOAK = 180_000  # requests: 50 a second for an hour
MOST_GROWTH = 8 * MIB

ENTRY = """\
import json, os
import joblib, numpy


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "sklearn_mnist_model.pkl"))


def run(raw):
    return model.predict(numpy.array(json.loads(raw)["data"])).tolist()
"""

Address = tuple[str, int]


@contextmanager
def ours(model: Path) -> Iterator[tuple[Address, int]]:
    """Start ``mnistlib serve``; yield its address and process id."""
    command = [sys.executable, "-m", "mnistlib", "serve", str(model), "--port", "0", "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = ""
        while not printed.endswith("}\n") and (line := process.stdout.readline()):
            printed += line
        port = int(json.loads(printed)["scoring_uri"].rpartition(":")[2].partition("/")[0])
        try:
            yield ("127.0.0.1", port), process.pid
        finally:
            process.terminate()


@contextmanager
def theirs(model: Path, folder: Path) -> Iterator[Address]:
    """Install and start azureml-inference-server-http; yield its address."""
    venv.create(folder / "venv", with_pip=True)
    same = [f"{name}=={version(name)}" for name in ("numpy", "scikit-learn", "joblib")]
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "azureml-inference-server-http", *same], check=True, stderr=subprocess.DEVNULL)
    (folder / "score.py").write_text(ENTRY)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = os.environ | {"AZUREML_MODEL_DIR": str(model.parent)}
    command = [str(folder / "venv/bin/azmlinfsrv"), "--entry_script", "score.py", "--port", str(port)]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        yield "127.0.0.1", port
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def wait_for(address: str, process: "subprocess.Popen[Any]") -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            requests.get(address, timeout=5).raise_for_status()
            return
        except requests.RequestException:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def memory(process: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(address: Address, process: int, kinds: Sequence[bytes]) -> tuple[int, int]:
    """Send an hour's requests, of each kind in turn; return their number and the growth of the server in bytes.

    Growth during the first tenth, such as that of the allocator's caches, does not count.
    """
    answered, warm = 0, 0
    while answered < SOAK:
        for request in kinds:
            done = load(address, request, connections=CONNECTIONS, seconds=SECONDS)
            assert done.failed == 0
            answered += done.answered
        if not warm and answered > SOAK / 10:
            warm = memory(process)
    return answered, memory(process) - warm


def kinds_of(images: Any) -> list[bytes]:
    """Return requests of all kinds: a row as JSON, images as IDX and as gzip, a picture."""
    from PIL import Image

    idx, picture = io.BytesIO(), io.BytesIO()
    write_idx(idx, images[:100])
    Image.fromarray(255 - images[0]).resize((280, 280)).save(picture, "PNG")
    row = (images[0].reshape(-1) / 255).tolist()
    return [
        post("/score", json.dumps({"data": [row]}).encode(), "application/json"),
        post("/score", idx.getvalue(), "application/octet-stream"),
        post("/score?proba=1", gzip.compress(idx.getvalue()), "application/octet-stream"),
        post("/look", picture.getvalue(), "image/png"),
    ]


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = LocalBackend(folder / "runs").run(TrainJob(dataset="mnist", regularization=0.8))
        images = load_dataset("mnist").test.images
        single, *others = kinds_of(images)
        with ours(result.model_path) as (address, process), theirs(result.model_path, folder) as other:
            loads: dict[str, list[Load]] = {"mnistlib serve": [], "azureml-inference-server-http": []}
            for _ in range(ROUNDS):
                for server, place in zip(loads, (address, other), strict=True):
                    loads[server].append(load(place, single, connections=CONNECTIONS, seconds=SECONDS))
            many = time_batch(address, images)
            sent, growth = soak(address, process, [single, *others])
    mine, peer = loads.values()
    assert not any(each.failed for each in (*mine, *peer))
    throughput = statistics.median(a.per_second / b.per_second for a, b in zip(mine, peer, strict=True))
    tail = statistics.median(a.p99 / b.p99 for a, b in zip(mine, peer, strict=True))
    bars = [
        times_bar("single images a second, against azureml-inference-server-http", throughput, 3),
        Bar("its p99, against the same", "at most half", f"{tail:.2f} times", tail <= 0.5),
        times_bar("10,000 images as IDX, against JSON", many.ratio("JSON", to="IDX"), 10),
        Bar(
            f"growth of memory over {sent:,} requests of four kinds",
            f"under {MOST_GROWTH // MIB} MiB",
            f"{growth / MIB:.1f} MiB",
            growth < MOST_GROWTH,
        ),
    ]
    show(
        {
            f"Single images, {CONNECTIONS} connections, bodies of {len(single) / 1e3:.1f} kB, medians": [
                row_of(server, measured) for server, measured in loads.items()
            ],
            "10,000 images in one request": [
                {"as": kind, "median ms": many.median(kind) * 1e3} for kind in many.seconds
            ],
        },
        bars,
        as_json=options.json,
    )


def row_of(server: str, loads: list[Load]) -> dict[str, Any]:
    """Return a row of the table."""
    return {
        "server": server,
        "requests a second": round(statistics.median(each.per_second for each in loads)),
        "p50 ms": statistics.median(each.p50 for each in loads),
        "p99 ms": statistics.median(each.p99 for each in loads),
    }


def time_batch(address: Address, images: Any) -> Any:
    """Time one request of all test images, as IDX, as gzip and as JSON."""
    file = io.BytesIO()
    write_idx(file, images)
    kinds = {
        "IDX": (file.getvalue(), "application/octet-stream"),
        "IDX, gzip": (gzip.compress(file.getvalue(), 6), "application/octet-stream"),
        "JSON": (json.dumps({"data": (images.reshape(len(images), -1) / 255).tolist()}).encode(), "application/json"),
    }
    uri = f"http://{address[0]}:{address[1]}/score"
    session = requests.Session()

    def ask(body: bytes, kind: str) -> None:
        answer = session.post(uri, data=body, headers={"Content-Type": kind})
        assert len(answer.json()) == len(images)

    return time_in_turns(
        {name: lambda sent=sent: ask(*sent) for name, sent in kinds.items()}, rounds=9, most_seconds=30
    )


if __name__ == "__main__":
    main()
