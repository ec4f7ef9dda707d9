import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from mnistlib import Dataset, LocalBackend, TrainJob, load_dataset
from mnistlib.models.artifact import SavedModel
from tests.browser import open_browser
from tests.serving.fixtures import blocking, model_file, odd_models, script_model, server, server_of

# Fixtures for the tests of the service, of its client and of its commands.
pytest_plugins = ["tests.collection"]

__all__ = ["blocking", "model_file", "odd_models", "script_model", "server", "server_of"]

# In all tests together: a few hundred examples with "ordinary", some 100,000 with "fuzz".
# The fixtures that property tests use hold for all examples of a test, so they need no renewal between examples.
settings.register_profile(
    "ordinary", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("fuzz", settings.get_profile("ordinary"), max_examples=4200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test its own cache, data and runs folders, so that none sees another's or a person's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("MNISTLIB_RUNS", str(home / "runs"))
    for variable in ("MNISTLIB_DATA", "MNISTLIB_MIRROR"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of the four real MNIST files."""
    data_folder = os.environ.get("MNISTLIB_DATA")
    if not data_folder:
        pytest.skip("MNISTLIB_DATA names no folder with the real MNIST files")
    folder = Path(data_folder, "mnist")
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist: it should hold the four real MNIST files")
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a real browser, the same for a whole module."""
    with open_browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with two versions of a registered model, ``digits``; tests only read it."""
    folder = tmp_path_factory.mktemp("serving") / "runs"
    backend = LocalBackend(folder)
    for value in (0.5, 5.0):
        run = backend.submit(TrainJob(dataset="digits", regularization=value, tol=1e-3))
        run.wait()
        run.register_model("digits")
    return folder


@pytest.fixture(scope="session")
def digits_model(runs_folder: Path) -> SavedModel:
    return LocalBackend(runs_folder).models.get("digits").load()
