"""The unmodified SDK against the emulator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnistlib.testing.azureml import AzureMLEmulator
from mnistlib.testing.azureml.fixtures import azureml_service

__all__ = ["azureml_service"]
from tests.azureml import set_sdk_tries
from tests.loopback import LOOPBACK, watch
from tests.testing.azureml import v2
from tests.testing.azureml.steps import Submit, make_cluster, submit_text, workspace_of

_looked_up: list[str] = []


def _note(host: str) -> None:
    if host not in LOOPBACK:
        _looked_up.append(host)


watch(_note)  # it stays for as long as the process; it only notes


@pytest.fixture(autouse=True)
def _nothing_leaves_the_machine() -> Iterator[None]:
    _looked_up.clear()
    yield
    assert _looked_up == []


@pytest.fixture(autouse=True)
def _sdk_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    set_sdk_tries(monkeypatch, 3)  # the SDK's own number


@pytest.fixture
def lookups() -> list[str]:
    return _looked_up


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service of one's own needs its own HOME: the SDK remembers workspaces there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def service(azureml_service: AzureMLEmulator) -> Iterator[AzureMLEmulator]:
    yield azureml_service
    azureml_service.faults.clear()


@pytest.fixture(scope="session")
def workspace(azureml_service: AzureMLEmulator) -> Any:
    return workspace_of(azureml_service)


@pytest.fixture(scope="session")
def cluster(workspace: Any) -> Any:
    return make_cluster(workspace, "cpu-cluster", nodes=2)


@pytest.fixture
def submit(workspace: Any, cluster: Any, tmp_path: Path) -> Submit:
    """Submits a script, given as text, and returns its run."""

    def submit_script(code: str, *, target: Any = None, **options: Any) -> Any:
        return submit_text(workspace, target or cluster, tmp_path / "project", code, **options)

    return submit_script


@pytest.fixture(scope="session")
def client(azureml_service: AzureMLEmulator) -> Any:
    return v2.connect(azureml_service)


@pytest.fixture(scope="session")
def cluster_v2(client: Any) -> Any:
    return v2.make_cluster(client, "cpu-cluster", nodes=2)


@pytest.fixture
def submit_job(client: Any, cluster_v2: Any, tmp_path: Path) -> v2.SubmitJob:
    """Submits a script, given as text, as a command job, and returns the job."""

    def submit_script(code: str, **options: Any) -> Any:
        return client.jobs.create_or_update(v2.command_of(v2.project_of(tmp_path / "project", code), **options))

    return submit_script
