"""What the tests of the emulator do with the SDK again and again."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import requests

from mnistlib.testing.azureml import AzureMLEmulator

Submit = Callable[..., Any]


def workspace_of(service: AzureMLEmulator) -> Any:
    from azureml.core import Workspace

    return Workspace.from_config(service.config_path)


def make_cluster(workspace: Any, name: str, *, nodes: int, fewest: int = 0) -> Any:
    from azureml.core.compute import AmlCompute, ComputeTarget

    settings = AmlCompute.provisioning_configuration("STANDARD_D2_V2", min_nodes=fewest, max_nodes=nodes)
    cluster = ComputeTarget.create(workspace, name, settings)
    cluster.wait_for_completion()
    return cluster


def environment_of(*packages: str, name: str = "plain") -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    environment = Environment(name)
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=list(packages))
    return environment


def submit_text(
    workspace: Any, target: Any, folder: Path, code: str, *, packages: tuple[str, ...] = (), **options: Any
) -> Any:
    """Submit a script that is given as text, in a project folder that may hold more."""
    from azureml.core import Experiment, ScriptRunConfig

    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(textwrap.dedent(code))
    settings = ScriptRunConfig(
        str(folder), script="train.py", compute_target=target, environment=environment_of(*packages), **options
    )
    return Experiment(workspace, "tests").submit(settings)


def filled(workspace: Any, folder: Path, *names: str) -> Any:
    """Return a new folder of the default datastore with small files of these names."""
    datastore, source = workspace.get_default_datastore(), folder / "-".join(names)
    source.mkdir()
    for name in names:
        (source / name).write_text(f"content of {name}")
    target = f"{folder.name}/{source.name}"
    datastore.upload(str(source), target, show_progress=False)
    return datastore.path(target)


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the condition's value as soon as it is true; the SDK's own loops look every two seconds at best."""
    end = monotonic() + seconds
    while not (value := condition()):
        assert monotonic() < end, f"not within {seconds} seconds"
        sleep(0.02)
    return value


def finished(run: Any) -> str:
    wait_until(lambda: run.get_status() in ("Completed", "Failed", "Canceled"))
    status: str = run.get_status()
    return status


def log_of(run: Any, folder: Path) -> str:
    run.download_file("user_logs/std_log.txt", str(folder / "log.txt"))
    return (folder / "log.txt").read_text()


@contextmanager
def killable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[str]"]:
    """Serve in another process, and let this one reach it."""
    command = [sys.executable, "-m", "mnistlib.testing.azureml", "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("#"):
                break
            name, _, value = line.removeprefix("export ").rstrip().partition("=")
            monkeypatch.setenv(name, value.strip("'"))
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def is_alive(number: int) -> bool:
    """Return whether a process runs; whoever has ended and waits to be noticed does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def ask(
    service: AzureMLEmulator,
    part: str,
    rest: str,
    *,
    method: str = "GET",
    token: str | None = None,
    body: Any = None,
    host: str = "eastus.api.azureml.ms",
) -> requests.Response:
    """Send one request as no SDK would: without a second try."""
    config = json.loads(service.config_path.read_text())
    place = (
        f"/subscriptions/{config['subscription_id']}/resourceGroups/{config['resource_group']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{config['workspace_name']}"
    )
    bearer = log_in(service) if token is None else token
    return requests.request(
        method,
        f"https://{host}/{part}{place}{rest}",
        headers={"Authorization": f"Bearer {bearer}"},
        json=body or {},
        timeout=30,
    )


def log_in(service: AzureMLEmulator) -> str:
    environment = service.environment
    tenant = environment["AZUREML_SERVICE_PRINCIPAL_TENANT_ID"]
    answer = requests.post(
        f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        data={
            "client_id": environment["AZUREML_SERVICE_PRINCIPAL_ID"],
            "client_secret": environment["AZUREML_SERVICE_PRINCIPAL_PASSWORD"],
        },
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])
