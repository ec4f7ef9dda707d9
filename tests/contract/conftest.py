"""The backends that are held to the contract. A new one is one more line in SUBJECTS."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mnistlib.backends import Backend, get_backend
from tests.azureml import workspace


@dataclass(frozen=True)
class Subject:
    """A backend under contract, and how another process gets one that sees the same runs.

    Attributes
    ----------
    backend : Backend
        Fresh, with no runs.
    expression : str
        Python that makes such a backend in another process; ``mnistlib`` is imported there.
    """

    backend: Backend
    expression: str


@contextmanager
def _local(folder: Path, _session: Path) -> Iterator[Subject]:
    runs = str(folder / "runs")
    yield Subject(get_backend("local", runs_folder=runs), f"mnistlib.LocalBackend({runs!r})")


@contextmanager
def _azureml(folder: Path, session: Path) -> Iterator[Subject]:
    with workspace(folder, session) as service:
        config, runs = str(service.config_path), str(folder / "runs")
        yield Subject(
            get_backend("azureml", config=config, runs_folder=runs),
            f"mnistlib.AzureMLBackend(config={config!r}, runs_folder={runs!r})",
        )


SUBJECTS: dict[str, Callable[[Path, Path], AbstractContextManager[Subject]]] = {"azureml": _azureml, "local": _local}


#: What an SDK and what it brings warn of is none of ours.
MARKS = {"azureml": pytest.mark.filterwarnings("ignore")}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(SUBJECTS)])
def subject(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    with SUBJECTS[request.param](tmp_path, tmp_path_factory.getbasetemp()) as subject:
        yield subject


@pytest.fixture
def backend(subject: Subject) -> Backend:
    return subject.backend


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder for scripts."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder
