"""Completeness of the shipped files: jobs run in virtual environments without any other package."""

from pathlib import Path

import pytest

import mnistlib
from mnistlib import LocalBackend, TrainJob
from mnistlib.backends import get_backend
from tests.azureml import SDKS, strangers, with_sdk

TRAIN = TrainJob(dataset="digits", regularization=0.5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of the SDKs and their dependencies
@pytest.mark.parametrize("name", list(map(with_sdk, SDKS)))
def test_a_job_gives_the_same_coefficients_in_an_environment_built_by_pip(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mnistlib.testing.azureml import AzureMLEmulator

    monkeypatch.setenv("HOME", str(tmp_path))
    here = LocalBackend(tmp_path / "runs").run(TRAIN)
    with AzureMLEmulator(tmp_path / "azureml", environments="venv") as emulator:
        there = get_backend(name, config=emulator.config_path, runs_folder=tmp_path / "runs").run(TRAIN)
        assert strangers(emulator) == []
    first, second = (mnistlib.load_model(result.model_path).classifier.coef_ for result in (here, there))
    assert first.tobytes() == second.tobytes()
