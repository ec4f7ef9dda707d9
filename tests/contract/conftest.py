"""The backends that are held to the contract. A new one is one more line in SUBJECTS."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import mnistlib
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


@contextmanager
def _local(folder: Path, _session: Path) -> Iterator[Subject]:
    runs = str(folder / "runs")
    yield Subject(get_backend("local", runs_folder=runs), f"mnistlib.LocalBackend({runs!r})")


@contextmanager
def _azureml(folder: Path, session: Path) -> Iterator[Subject]:
    """A workspace that has a cluster, an environment and this package's source already, so that no test waits for it."""
    pytest.importorskip("azureml.core", reason="the extra azureml is not installed: the tox environment azureml has it")
    from mnistlib.testing.azureml import AzureMLEmulator

    template = session / "template"
    with pytest.MonkeyPatch.context() as patch:
        # The SDK remembers in its user's home what it has sent to a workspace.
        if not template.exists():
            patch.setenv("HOME", str(_new(session / "making/home")))
            with AzureMLEmulator(session / "making/azureml") as service:
                backend = mnistlib.AzureMLBackend(config=service.config_path, runs_folder=session / "runs")
                backend.submit(mnistlib.TrainJob(dataset="digits", tol=1.0)).wait(120)
            (session / "making").rename(template)
        cloud = shutil.copytree(template, folder / "cloud", symlinks=True)
        patch.setenv("HOME", str(cloud / "home"))
        with AzureMLEmulator(cloud / "azureml") as service:
            config, runs = str(service.config_path), str(folder / "runs")
            yield Subject(
                get_backend("azureml", config=config, runs_folder=runs),
                f"mnistlib.AzureMLBackend(config={config!r}, runs_folder={runs!r})",
            )


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


SUBJECTS: dict[str, Callable[[Path, Path], AbstractContextManager[Subject]]] = {"azureml": _azureml, "local": _local}


@pytest.fixture(params=sorted(SUBJECTS))
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
