"""What the tests of the emulator do with azure-ai-ml again and again."""

import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import wait_until

FINAL = ("Completed", "Failed", "Canceled")

SubmitJob = Callable[..., Any]


def new_name(kind: str = "job") -> str:
    """Return a name that no other test uses: all of them share one service."""
    return f"{kind}_{uuid.uuid4().hex[:10]}"


def connect(service: AzureMLEmulator) -> Any:
    from azure.ai.ml import MLClient

    return MLClient.from_config(service.credential, path=str(service.config_path), show_progress=False)


def make_cluster(client: Any, name: str, *, nodes: int) -> Any:
    from azure.ai.ml.entities import AmlCompute

    settings = AmlCompute(name=name, size="STANDARD_D2_V2", min_instances=0, max_instances=nodes)
    return client.compute.begin_create_or_update(settings).result()


def environment_of(*packages: str, **options: Any) -> Any:
    from azure.ai.ml.entities import Environment

    conda = {"name": "job", "dependencies": ["python=3.11", "pip", {"pip": list(packages)}]}
    return Environment(image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", conda_file=conda, **options)


def project_of(folder: Path, code: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(textwrap.dedent(code))
    return str(folder)


def command_of(
    code: str | None, *, line: str = "python train.py", packages: tuple[str, ...] = (), **options: Any
) -> Any:
    """Return a command job over a project folder."""
    from azure.ai.ml import command

    given = {"name": new_name(), "experiment_name": "tests", "compute": "cpu-cluster", **options}
    return command(command=line, code=code, environment=given.pop("environment", environment_of(*packages)), **given)


def ended(client: Any, name: str) -> str:
    """Wait until a job has ended, and return how."""
    wait_until(lambda: client.jobs.get(name).status in FINAL)
    return str(client.jobs.get(name).status.value)


def downloaded(client: Any, name: str, folder: Path, **options: Any) -> list[str]:
    """Download what a job has left, and return the names of the files."""
    client.jobs.download(name, download_path=folder, **options)
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def log_of(client: Any, name: str, folder: Path) -> str:
    client.jobs.download(name, download_path=folder)
    return (folder / "artifacts" / "user_logs" / "std_log.txt").read_text()


def calls_since(service: AzureMLEmulator, start: int) -> list[str]:
    """Return the requests after the first `start`, without what they have in common."""
    return [
        f"{request.method} {request.path.rpartition('/workspaces/loopback')[2]}" for request in service.requests[start:]
    ]
