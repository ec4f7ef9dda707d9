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
from mnistlib.jobs import Job

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# As AzureMLBackend has it, but for the pauses; the SDK reads it when it is imported, which a test may do first.
for _what in ("RETRIES", "BACKOFF", "500_BACKOFF", "503_BACKOFF"):
    os.environ.setdefault(f"AZUREML_DEFAULT_{_what}", "0")


@contextmanager
def workspace(folder: Path, session: Path, *, finished: Job | None = None) -> Iterator["AzureMLEmulator"]:
    """Serve a workspace of its own, copied from one that is made once in a session; in it `finished` has been run."""
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    template = session / (finished.type if finished else "nothing")
    if not template.exists():
        with workspace(session, session) if finished else _served(session / "cloud") as service:
            if finished:
                mnistlib.AzureMLBackend(config=service.config_path, runs_folder=session / "runs").run(finished)
            else:
                _prepare(service.config_path, session)
        (session / "cloud").rename(template)
    with _served(shutil.copytree(template, folder / "cloud", symlinks=True)) as service:
        yield service


@contextmanager
def _served(folder: Path) -> Iterator["AzureMLEmulator"]:
    from mnistlib.testing.azureml import AzureMLEmulator

    # The SDK remembers in its user's home what it has sent to a workspace.
    (folder / "home").mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        with AzureMLEmulator(folder / "azureml") as service:
            yield service


def _prepare(config: Path, session: Path) -> None:
    """Make the cluster and send the source, with a run that is none of this package's."""
    from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace

    made = Workspace.from_config(str(config))
    backend = mnistlib.AzureMLBackend(made, runs_folder=session / "runs")
    backend.compute.ensure()
    source = session / "source"
    source.mkdir()
    stage(mnistlib.TrainJob(dataset="digits")).write(source)
    script = ScriptRunConfig(str(source), command=["true"], compute_target=backend.compute.spec.name)
    script.run_config.environment = Environment("nothing")
    Experiment(made, "making").submit(script).wait_for_completion()
