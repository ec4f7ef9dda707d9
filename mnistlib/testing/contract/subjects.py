"""The backend under test, shared fixtures, and jobs that run until they are cancelled."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import mnistlib
from mnistlib.backends import Backend
from mnistlib.jobs import Job, ScriptJob, SweepJob, TrainJob
from mnistlib.runs import Run

#: Timeout of every step of the contract, in seconds.
LIMIT = 120
TRAIN = TrainJob(dataset="digits", regularization=0.5)
SWEEP = SweepJob(base=TRAIN, regularization=[0.1, 1.0, 10.0])


@dataclass(frozen=True)
class Subject:
    """A backend under test.

    Attributes
    ----------
    backend : Backend
        The backend, with no run or with the requested run.
    expression : str
        Python expression that makes the same backend in another process that has imported ``mnistlib``.
    """

    backend: Backend
    expression: str


@dataclass(frozen=True)
class Finished(Subject):
    """A backend with one completed run."""

    run: Run


MakeSubject = Callable[[Job | None], Subject]
"""Function that returns a backend with one completed job, or with no run."""


@pytest.fixture
def subject(make_subject: MakeSubject) -> Subject:
    """Return a backend without runs."""
    return make_subject(None)


@pytest.fixture
def backend(subject: Subject) -> Backend:
    """Return a backend without runs, for tests in this process only."""
    return subject.backend


@pytest.fixture
def trained(make_subject: MakeSubject) -> Finished:
    """Return a backend in which a training job has completed."""
    return _finished(make_subject, TRAIN)


@pytest.fixture
def swept(make_subject: MakeSubject) -> Finished:
    """Return a backend in which a sweep has completed."""
    return _finished(make_subject, SWEEP)


def _finished(make_subject: MakeSubject, job: Job) -> Finished:
    subject = make_subject(job)
    (run_id,) = [record.run_id for record in subject.backend.records() if record.job_type == job.type]
    return Finished(subject.backend, subject.expression, subject.backend.attach(run_id))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder for scripts."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fail after `LIMIT` seconds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)  # each check on a cluster sends several requests


def script(source: Path, text: str, **options: object) -> ScriptJob:
    """Return a job that runs the text of a script."""
    (source / "train.py").write_text(text)
    return ScriptJob(script="train.py", source_directory=str(source), **options)  # type: ignore[arg-type] # few options


def endless(source: Path) -> ScriptJob:
    """Return a script that prints ``begun`` and runs until it is cancelled."""
    return script(source, "import time\nprint('begun')\nwhile True:\n    time.sleep(0.01)\n")


def begun(run: Run) -> Run:
    """Wait until the script of a run has begun, and return the run."""
    until(lambda: "begun" in run.logs().splitlines())
    return run


def endless_training(folder: Path) -> TrainJob:
    """Return a training job that takes minutes: many images of noise, and a tolerance that is never reached."""
    generator = np.random.default_rng(0)
    data = folder / "noise"
    data.mkdir()
    for which, count in (("train", 20_000), ("test", 10)):
        mnistlib.write_idx(data / f"{which}-images", generator.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        mnistlib.write_idx(data / f"{which}-labels", (np.arange(count) % 10).astype(np.uint8))
    return TrainJob(dataset=str(data), regularization=1e-9, tol=1e-300, max_iter=10**9)
