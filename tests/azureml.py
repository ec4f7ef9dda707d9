"""An emulated workspace for tests, in which there is a cluster already."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mnistlib.backends import get_backend
from mnistlib.jobs import Job

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# Shorter pauses than AzureMLBackend asks for; the SDK reads them when it is imported, which a test may do first.
for _what in ("BACKOFF", "500_BACKOFF", "503_BACKOFF"):
    os.environ.setdefault(f"AZUREML_DEFAULT_{_what}", "0")


_ACCOUNT = re.compile(r"loopback[0-9a-f]{10}\.blob\.core\.windows\.net")

#: Module that a backend's name needs.
_NEEDS = {"azureml": "azureml.core", "azureml-v2": "azure.ai.ml"}


def require_sdk(backend: str) -> None:
    """Skip the test where the SDK that a backend needs is not installed."""
    module = _NEEDS[backend]
    pytest.importorskip(module, reason=f"{module} is not installed: the tox environment cloud has it")


def set_sdk_tries(patch: pytest.MonkeyPatch, tries: int) -> None:
    """Set how often the first SDK sends a request again by itself, whether or not this process has imported it.

    It reads the number once, when it is imported. The tests of the backend want none, as AzureMLBackend has it, those
    of the emulator the SDK as people use it; and both may run in one process.
    """
    patch.setenv("AZUREML_DEFAULT_RETRIES", str(tries))
    if (client := sys.modules.get("azureml._restclient.clientbase")) is not None:
        patch.setattr(client, "DEFAULT_RETRIES", tries)


def strangers(service: "AzureMLEmulator") -> list[str]:
    """Return the hosts that were asked for and are no account of a service that ran before.

    The SDKs have threads that outlive a test, and may ask for the files of a service that is no more through the door
    of the one that has come after it.
    """
    return [host for host in service.refused if not _ACCOUNT.fullmatch(host)]


@contextmanager
def workspace(
    folder: Path,
    session: Path,
    *,
    backend: str = "azureml",
    finished: Job | None = None,
    node_start_seconds: float = 0.0,
) -> Iterator["AzureMLEmulator"]:
    """Serve a workspace of its own, copied from one that is made once in a session.

    It has a cluster; `finished`, if given, has been run in it through the backend of that name. Further nodes take
    `node_start_seconds` to come up.
    """
    require_sdk(backend)
    template = session / f"{backend}-{finished.type if finished else 'nothing'}"
    if not template.exists():
        making = session / "making"
        with _served(making) as service:
            made = get_backend(backend, config=service.config_path, runs_folder=session / "runs")
            if finished:
                made.run(finished)
            else:
                made.compute.ensure()  # type: ignore[attr-defined] # of a cluster backend
        making.rename(template)
    copy = shutil.copytree(template, folder / "cloud", symlinks=True)
    with _served(copy, node_start_seconds=node_start_seconds) as service:
        yield service


@contextmanager
def _served(folder: Path, *, node_start_seconds: float = 0.0) -> Iterator["AzureMLEmulator"]:
    from mnistlib.testing.azureml import AzureMLEmulator

    # The SDK remembers in its user's home what it has sent to a workspace.
    (folder / "home").mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        set_sdk_tries(patch, 0)
        with AzureMLEmulator(folder / "azureml", node_start_seconds=node_start_seconds) as service:
            yield service
