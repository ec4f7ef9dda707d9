"""Environments of azureml-core."""

from typing import Any

import pytest

pytest.importorskip("azureml.core")

from azureml.core import Environment
from azureml.core.conda_dependencies import CondaDependencies

pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_environment_has_a_new_version_only_when_it_changes(workspace: Any) -> None:
    environment = Environment("versions")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["numpy"])
    assert environment.register(workspace).version == "1"
    assert environment.register(workspace).version == "1"
    environment.python.conda_dependencies.add_pip_package("scipy")
    assert environment.register(workspace).version == "2"
    assert Environment.get(workspace, "versions", version="1").version == "1"
    assert "versions" in Environment.list(workspace)
    assert Environment.get(workspace, "AzureML-sklearn-1.5").version == "1"
    with pytest.raises(Exception, match="versions-not-there was not found"):
        Environment.get(workspace, "versions-not-there")
