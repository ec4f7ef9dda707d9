"""Fixtures for tests of both backends for Azure Machine Learning."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import needs_sdk, strangers, workspace
from tests.backends.azureml_generations import V1, V2, Generation

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.1)


@pytest.fixture(params=[pytest.param(each, id=each.name, marks=needs_sdk(each.name)) for each in (V1, V2)])
def generation(request: pytest.FixtureRequest) -> Generation:
    each: Generation = request.param
    return each


@pytest.fixture
def emulator(
    generation: Generation, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["AzureMLEmulator"]:
    with workspace(tmp_path, tmp_path_factory.getbasetemp(), backend=generation.name) as emulator:
        yield emulator
        assert strangers(emulator) == []  # no request left this machine


@pytest.fixture
def make(generation: Generation, emulator: "AzureMLEmulator", tmp_path: Path) -> Callable[..., Any]:
    """Makes a new backend from the workspace's config.json."""

    def make(**options: Any) -> Any:
        given = {"config": emulator.config_path, "runs_folder": tmp_path / "runs", "retries": QUICK} | options
        return get_backend(generation.name, **given)

    return make


@pytest.fixture
def backend(make: Callable[..., Any]) -> Any:
    return make()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder for scripts."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder
