"""What jobs run in."""

import sys
from pathlib import Path
from typing import Any

import pytest

from mnistlib.testing.azureml import AzureMLEmulator
from mnistlib.testing.azureml.environments.builds import requirements
from tests.testing.azureml.steps import Submit, finished, log_of, make_cluster, submit_text


def test_conda_packages_are_read_as_pips() -> None:
    asked = ["python=3.11", "pip", "numpy", "conda-forge::scipy>=1.10", "joblib=1.4", {"pip": ["scikit-learn==1.6.1"]}]
    assert requirements({"dependencies": asked}) == ["numpy", "scipy>=1.10", "joblib==1.4.*", "scikit-learn==1.6.1"]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="environments must be one of host, venv, not 'docker'"):
        AzureMLEmulator(environments="docker")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.needs("azureml.core")
def test_a_package_of_another_version_is_used_and_noted(submit: Submit, tmp_path: Path) -> None:
    run = submit("import joblib; print(joblib.__name__)", packages=("joblib==0.1", "no-such-package"))
    assert finished(run) == "Completed"
    run.download_file("azureml-logs/20_image_build_log.txt", str(tmp_path / "build.txt"))
    log = (tmp_path / "build.txt").read_text()
    assert "joblib==0.1: this machine has " in log
    assert "no-such-package: not installed on this machine" in log


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.needs("azureml.core")
def test_a_virtual_environment_is_built_from_the_specification_once(tmp_path: Path, monkeypatch: Any) -> None:
    from azureml.core import Workspace

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with AzureMLEmulator(environments="venv") as service:
        workspace = Workspace.from_config(service.config_path)
        cluster = make_cluster(workspace, "built", nodes=1)
        code = "import six, sys; print(six.__version__, sys.prefix)"
        built = submit_text(workspace, cluster, tmp_path / "project", code, packages=("six==1.16.0",))
        assert finished(built) == "Completed", built.get_details()
        version, prefix = log_of(built, tmp_path).split()
        assert version == "1.16.0"
        assert prefix != sys.prefix
        again = submit_text(workspace, cluster, tmp_path / "project", code, packages=("six==1.16.0",))
        assert finished(again) == "Completed"
        assert log_of(again, tmp_path).split() == [version, prefix]
        failed = submit_text(workspace, cluster, tmp_path / "project", code, packages=("six==0.0.99",))
        assert finished(failed) == "Failed"
        assert failed.get_details()["error"]["error"]["code"] == "ImageBuildFailure"
