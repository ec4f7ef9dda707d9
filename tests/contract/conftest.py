"""The backends that are held to the contract. A new one is one more line in SUBJECTS."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mnistlib.backends import Backend, get_backend


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


def _local(folder: Path) -> Subject:
    runs = str(folder / "runs")
    return Subject(get_backend("local", runs_folder=runs), f"mnistlib.LocalBackend({runs!r})")


SUBJECTS: dict[str, Callable[[Path], Subject]] = {"local": _local}


@pytest.fixture(params=sorted(SUBJECTS))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    return SUBJECTS[request.param](tmp_path)


@pytest.fixture
def backend(subject: Subject) -> Backend:
    return subject.backend


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder for scripts."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder
