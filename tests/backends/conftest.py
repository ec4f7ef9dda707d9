"""What tests of both backends for Azure Machine Learning begin with."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from tests.azureml import require_sdk, strangers, workspace
from tests.backends.azureml_generations import V1, V2, Generation

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.1)


@pytest.fixture(params=[V1, V2], ids=lambda generation: generation.name)
def generation(request: pytest.FixtureRequest) -> Generation:
    made: Generation = request.param
    require_sdk(made.name)
    return made


@pytest.fixture
def service(
    generation: Generation, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["AzureMLEmulator"]:
    with workspace(tmp_path, tmp_path_factory.getbasetemp(), backend=generation.name) as service:
        yield service
        assert strangers(service) == []  # nobody tried to leave this machine


@pytest.fixture
def make(generation: Generation, service: "AzureMLEmulator", tmp_path: Path) -> Callable[..., Any]:
    """Makes a backend that knows nothing yet but where its workspace is described."""

    def make(**options: Any) -> Any:
        given = {"config": service.config_path, "runs_folder": tmp_path / "runs", "retries": QUICK} | options
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
