"""The SDK objects of the backend azureml."""

from collections.abc import Iterator
from typing import Any

import pytest

from mnistlib.backends import get_backend
from tests.azureml import needs_sdk, strangers, workspace
from tests.backends.azureml_generations import TRAIN

# Warnings of azureml-core and its dependencies are ignored.
pytestmark = [needs_sdk("azureml"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A backend of a workspace with a completed run."""
    folder = tmp_path_factory.mktemp("v1")
    with workspace(folder, tmp_path_factory.getbasetemp(), finished=TRAIN) as emulator:
        yield get_backend("azureml", config=emulator.config_path, runs_folder=folder / "runs")
        assert strangers(emulator) == []  # no request left this machine


def test_sdk_run_is_the_run_of_the_sdk(backend: Any) -> None:
    from azureml.core import Run

    (run,) = backend.runs()
    assert isinstance(run.sdk_run, Run)
    assert run.sdk_run.get_metrics()["accuracy"] == run.metrics().latest["accuracy"]


def test_a_registered_model_has_its_framework(backend: Any) -> None:
    from azureml.core import Model

    (run,) = backend.runs()
    run.register_model("sklearn_mnist", tags={"by": "me"})
    model = Model(backend.workspace, "sklearn_mnist")
    assert (model.model_framework, model.tags["by"]) == (Model.Framework.SCIKITLEARN, "me")
