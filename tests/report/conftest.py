import json
from pathlib import Path

import joblib
import pytest

from mnistlib import LocalBackend, SweepJob, TrainJob
from mnistlib.backends.local import LocalRun
from mnistlib.models.artifact import DESCRIPTION_FILE

HOSTILE = """<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">'&"""


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend(tmp_path / "runs")


@pytest.fixture
def trained(backend: LocalBackend) -> LocalRun:
    run = backend.submit(TrainJob(dataset="digits", regularization=0.5), experiment="first", name="a digit run")
    run.wait()
    return run


@pytest.fixture
def hostile(backend: LocalBackend) -> LocalRun:
    """A run with markup in every text that a user can set."""
    run = backend.submit(TrainJob(dataset="digits", regularization=0.5), name=HOSTILE, tags={HOSTILE: HOSTILE})
    run.wait()
    with (run.path / "logs/run.log").open("a") as log:
        log.write(HOSTILE)
    description = run.path / "outputs" / DESCRIPTION_FILE
    content = json.loads(description.read_bytes())
    content["classes"] = [f"{HOSTILE} {name}" for name in content["classes"]]
    content["versions"] = {HOSTILE: HOSTILE}
    description.write_text(json.dumps(content))
    with (run.path / "metrics.jsonl").open("a") as metrics:
        metrics.write(json.dumps({"name": HOSTILE, "step": 0, "value": 1.0}) + "\n")
    return run


@pytest.fixture
def swept(backend: LocalBackend) -> LocalRun:
    base = TrainJob(dataset="digits", solver="lbfgs", tol=0.1, limit=300)
    with joblib.parallel_config("sequential"):
        run = backend.submit(SweepJob(base=base, regularization=(0.1, 1.0, 100.0)))
    run.wait()
    return run
