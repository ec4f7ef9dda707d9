"""The backends that are held to the contract."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from mnistlib.backends import get_backend
from mnistlib.jobs import Job
from mnistlib.testing.contract import MakeSubject, Subject
from tests.azureml import SDKS, needs_sdk, workspace
from tests.serving.servers import needs_server


@contextmanager
def _local(folder: Path, _session: Path, finished: Job | None = None) -> Iterator[Subject]:
    runs = str(folder / "runs")
    backend = get_backend("local", runs_folder=runs)
    if finished:
        backend.run(finished)
    yield Subject(backend, f"mnistlib.LocalBackend({runs!r})")


@contextmanager
def _azureml(name: str, folder: Path, session: Path, finished: Job | None = None) -> Iterator[Subject]:
    with workspace(folder, session, backend=name, finished=finished) as emulator:
        config, runs = str(emulator.config_path), str(folder / "runs")
        yield Subject(
            get_backend(name, config=config, runs_folder=runs),
            f"mnistlib.get_backend({name!r}, config={config!r}, runs_folder={runs!r})",
        )


SUBJECTS: dict[str, Callable[[Path, Path, Job | None], AbstractContextManager[Subject]]] = {
    "azureml": partial(_azureml, "azureml"),
    "azureml-v2": partial(_azureml, "azureml-v2"),
    "local": _local,
}

#: Warnings of the SDKs and their dependencies are ignored.
MARKS = {name: (needs_sdk(name), pytest.mark.filterwarnings("ignore")) for name in SDKS}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(SUBJECTS)])
def make_subject(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeSubject]:
    """Make a backend of each kind."""
    with ExitStack() as stack:
        make = SUBJECTS[request.param]
        yield lambda finished: stack.enter_context(make(tmp_path, tmp_path_factory.getbasetemp(), finished))


@pytest.hookimpl(tryfirst=True)  # before tests.collection reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of a local service, which needs the extra "serve" here."""
    for item in items:
        if not isinstance(item, pytest.Function) or not {"make_subject", "model"} <= set(item.fixturenames):
            continue
        if item.callspec.params["make_subject"] == "local":
            item.add_marker(needs_server)
