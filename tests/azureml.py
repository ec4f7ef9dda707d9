"""Emulated workspace with a cluster, for tests."""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib.backends import get_backend
from mnistlib.jobs import Job

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# Shorter pauses than those of AzureMLBackend; set here because the SDK reads them when it is first imported.
for _name in ("BACKOFF", "500_BACKOFF", "503_BACKOFF"):
    os.environ.setdefault(f"AZUREML_DEFAULT_{_name}", "0")


_ACCOUNT = re.compile(r"loopback[0-9a-f]{10}\.blob\.core\.windows\.net")

#: Backend -> module of its SDK.
SDKS = {"azureml": "azureml.core", "azureml-v2": "azure.ai.ml"}


def needs_sdk(backend: str) -> pytest.MarkDecorator:
    """Return the mark of a test that needs the SDK of a backend."""
    return pytest.mark.needs(SDKS[backend])


def with_sdk(name: str) -> Any:
    """Return the name of a backend as a parameter of tests that need its SDK."""
    return pytest.param(name, id=name, marks=needs_sdk(name))


def set_sdk_tries(patch: pytest.MonkeyPatch, tries: int) -> None:
    """Set the number of azureml-core's own retries, whether or not this process has imported it.

    The SDK reads the number once, at import. Tests of the backend need 0, as AzureMLBackend sets it; tests of the
    emulator need the SDK's default; both may run in one process.
    """
    patch.setenv("AZUREML_DEFAULT_RETRIES", str(tries))
    if (client := sys.modules.get("azureml._restclient.clientbase")) is not None:
        patch.setattr(client, "DEFAULT_RETRIES", tries)


def strangers(emulator: "AzureMLEmulator") -> list[str]:
    """Return the foreign hosts that were requested, without storage accounts of earlier emulators.

    Threads of the SDKs survive a test, and may request files of an earlier emulator through the proxy of this one.
    """
    return [host for host in emulator.refused if not _ACCOUNT.fullmatch(host)]


@contextmanager
def workspace(
    folder: Path,
    session: Path,
    *,
    backend: str = "azureml",
    finished: Job | None = None,
    node_start_seconds: float = 0.0,
) -> Iterator["AzureMLEmulator"]:
    """Serve a separate workspace, copied from a template that is made once in a session.

    The workspace has a cluster; `finished`, if given, is a completed job, run through the backend of that name. New
    nodes take `node_start_seconds` to start.
    """
    # A template for each job: tests of one session may share it only if they asked for the same job.
    made_for = hashlib.sha256(finished.to_json().encode()).hexdigest()[:12] if finished else "nothing"
    template = session / f"{backend}-{made_for}"
    if not template.exists():
        making = session / "making"
        with _served(making) as emulator:
            made = get_backend(backend, config=emulator.config_path, runs_folder=session / "runs")
            if finished:
                made.run(finished)
            else:
                made.compute.ensure()  # type: ignore[attr-defined] # of a cluster backend
        making.rename(template)
    copy = shutil.copytree(template, folder / "cloud", symlinks=True)
    with _served(copy, node_start_seconds=node_start_seconds) as emulator:
        yield emulator


@contextmanager
def _served(folder: Path, *, node_start_seconds: float = 0.0) -> Iterator["AzureMLEmulator"]:
    from mnistlib.testing.azureml import AzureMLEmulator

    # The SDK keeps a list of uploaded files in the user's home folder.
    (folder / "home").mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        set_sdk_tries(patch, 0)
        with AzureMLEmulator(folder / "azureml", node_start_seconds=node_start_seconds) as emulator:
            yield emulator
