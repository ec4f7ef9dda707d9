"""Environments of azure-ai-ml."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")

from azure.core.exceptions import ResourceExistsError

from tests.testing.azureml.v2 import SubmitJob, ended, environment_of, log_of, new_name

pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_environment_gets_a_new_version_only_when_it_changes(client: Any) -> None:
    name = new_name("env")
    versions = [
        client.environments.create_or_update(environment_of(*packages, name=name)).version
        for packages in (("numpy",), ("numpy",), ("numpy", "scipy"))
    ]
    assert versions == ["1", "1", "2"]


def test_a_version_of_an_environment_never_changes(client: Any) -> None:
    name = new_name("env")
    client.environments.create_or_update(environment_of("numpy", name=name, version="x"))
    with pytest.raises(ResourceExistsError):
        client.environments.create_or_update(environment_of("scipy", name=name, version="x"))


def test_a_job_finds_only_the_packages_of_its_environment(client: Any, submit_job: SubmitJob, tmp_path: Path) -> None:
    job = submit_job("import numpy; print('numpy'); import sklearn", packages=("numpy",))
    assert ended(client, job.name) == "Failed"
    log = log_of(client, job.name, tmp_path / "log")
    assert log.startswith("numpy\n")
    assert "ModuleNotFoundError: No module named 'sklearn'" in log
