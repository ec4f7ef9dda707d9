"""What is the first backend's own: the objects of its SDK."""

from collections.abc import Iterator
from typing import Any

import pytest

from mnistlib.backends import get_backend
from tests.azureml import strangers, workspace
from tests.backends.azureml_generations import TRAIN

# What azureml-core and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A backend in whose workspace a run has completed."""
    folder = tmp_path_factory.mktemp("v1")
    with workspace(folder, tmp_path_factory.getbasetemp(), finished=TRAIN) as service:
        yield get_backend("azureml", config=service.config_path, runs_folder=folder / "runs")
        assert strangers(service) == []  # nobody tried to leave this machine


def test_the_sdks_own_run_is_at_hand(backend: Any) -> None:
    from azureml.core import Run

    (run,) = backend.runs()
    assert isinstance(run.sdk_run, Run)
    assert run.sdk_run.get_metrics()["accuracy"] == run.metrics().latest["accuracy"]


def test_a_registered_model_tells_its_framework(backend: Any) -> None:
    from azureml.core import Model

    (run,) = backend.runs()
    run.register_model("sklearn_mnist", tags={"by": "me"})
    model = Model(backend.workspace, "sklearn_mnist")
    assert (model.model_framework, model.tags["by"]) == (Model.Framework.SCIKITLEARN, "me")
