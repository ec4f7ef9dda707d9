"""The backends that are held to the contract. A new one is one more line in SUBJECTS."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from mnistlib import SweepJob, TrainJob
from mnistlib.backends import Backend, get_backend
from mnistlib.jobs import Job
from mnistlib.runs import Run
from tests.azureml import workspace

TRAIN = TrainJob(dataset="digits", regularization=0.5)
SWEEP = SweepJob(base=TRAIN, regularization=[0.1, 1.0, 10.0])


@dataclass(frozen=True)
class Subject:
    """A backend under contract, and how another process gets one that sees the same runs.

    Attributes
    ----------
    backend : Backend
        Fresh, with no runs, or with the one that was asked for.
    expression : str
        Python that makes such a backend in another process; ``mnistlib`` is imported there.
    """

    backend: Backend
    expression: str


@contextmanager
def _local(folder: Path, _session: Path, finished: Job | None = None) -> Iterator[Subject]:
    runs = str(folder / "runs")
    backend = get_backend("local", runs_folder=runs)
    if finished:
        backend.run(finished)
    yield Subject(backend, f"mnistlib.LocalBackend({runs!r})")


@contextmanager
def _azureml(name: str, folder: Path, session: Path, finished: Job | None = None) -> Iterator[Subject]:
    with workspace(folder, session, backend=name, finished=finished) as service:
        config, runs = str(service.config_path), str(folder / "runs")
        yield Subject(
            get_backend(name, config=config, runs_folder=runs),
            f"mnistlib.get_backend({name!r}, config={config!r}, runs_folder={runs!r})",
        )


SUBJECTS: dict[str, Callable[[Path, Path, Job | None], AbstractContextManager[Subject]]] = {
    "azureml": partial(_azureml, "azureml"),
    "azureml-v2": partial(_azureml, "azureml-v2"),
    "local": _local,
}

#: What an SDK and what it brings warn of is none of ours.
MARKS = dict.fromkeys(("azureml", "azureml-v2"), pytest.mark.filterwarnings("ignore"))


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(SUBJECTS)])
def serve(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Job | None], Subject]]:
    """What makes a backend of each kind, in which a job has been run or none."""
    with ExitStack() as stack:
        subject = SUBJECTS[request.param]
        yield lambda finished: stack.enter_context(subject(tmp_path, tmp_path_factory.getbasetemp(), finished))


@pytest.fixture
def subject(serve: Callable[[Job | None], Subject]) -> Subject:
    return serve(None)


@pytest.fixture
def backend(subject: Subject) -> Backend:
    return subject.backend


@dataclass(frozen=True)
class Finished(Subject):
    """A backend in which one job has been run, and has completed."""

    run: Run


@pytest.fixture
def trained(serve: Callable[[Job | None], Subject]) -> Finished:
    return _finished(serve, TRAIN)


@pytest.fixture
def swept(serve: Callable[[Job | None], Subject]) -> Finished:
    return _finished(serve, SWEEP)


def _finished(serve: Callable[[Job | None], Subject], job: Job) -> Finished:
    subject = serve(job)
    (run_id,) = [record.run_id for record in subject.backend.records() if record.job_type == job.type]
    return Finished(subject.backend, subject.expression, subject.backend.attach(run_id))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder for scripts."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder
