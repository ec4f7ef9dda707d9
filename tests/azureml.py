"""An emulated workspace for tests, in which a cluster and this package's source are there already."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mnistlib
from mnistlib.backends.cloud.staging import stage

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# As AzureMLBackend has it, but for the pauses; the SDK reads it when it is imported, which a test may do first.
for _what in ("RETRIES", "BACKOFF", "500_BACKOFF", "503_BACKOFF"):
    os.environ.setdefault(f"AZUREML_DEFAULT_{_what}", "0")


@contextmanager
def workspace(folder: Path, session: Path) -> Iterator["AzureMLEmulator"]:
    """Serve a workspace of its own, copied from one that is made once in a session."""
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    from mnistlib.testing.azureml import AzureMLEmulator

    template = session / "template"
    with pytest.MonkeyPatch.context() as patch:
        # The SDK remembers in its user's home what it has sent to a workspace.
        if not template.exists():
            patch.setenv("HOME", str(_new(session / "making/home")))
            with AzureMLEmulator(session / "making/azureml") as service:
                _prepare(service.config_path, session)
            (session / "making").rename(template)
        cloud = shutil.copytree(template, folder / "cloud", symlinks=True)
        patch.setenv("HOME", str(cloud / "home"))
        with AzureMLEmulator(cloud / "azureml") as service:
            yield service


def _prepare(config: Path, session: Path) -> None:
    """Make the cluster and send the source, with a run that is none of this package's."""
    from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace

    made = Workspace.from_config(str(config))
    backend = mnistlib.AzureMLBackend(made, runs_folder=session / "runs")
    backend.compute.ensure()
    stage(mnistlib.TrainJob(dataset="digits")).write(_new(session / "source"))
    script = ScriptRunConfig(str(session / "source"), command=["true"], compute_target=backend.compute.spec.name)
    script.run_config.environment = Environment("nothing")
    Experiment(made, "making").submit(script).wait_for_completion()


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
