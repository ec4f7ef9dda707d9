"""A service that is killed takes its jobs along, and whoever starts it again finds all that it knew."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import finished, is_alive, killable, make_cluster, submit_text, wait_until

core = pytest.importorskip("azureml.core")

pytestmark = pytest.mark.filterwarnings("ignore")

#: The first time it never ends, nor do its child and its grandchild; the second time it does.
CODE = """
import os, pathlib, subprocess, sys, time
first = pathlib.Path({marks!r})
again = first.exists()
if not again:
    from azureml.core import Run
    Run.get_context().child_run("open")
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    first.with_suffix(".part").write_text(f"{{os.getpid()}} {{other.pid}}")
    first.with_suffix(".part").rename(first)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it looks for processes in /proc")
def test_a_service_that_was_killed_leaves_no_process_and_loses_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder, marks = tmp_path / "state", tmp_path / "marks"
    with killable(folder, monkeypatch) as process:
        workspace = core.Workspace.from_config(str(folder / "config.json"))
        cluster = make_cluster(workspace, "kept", nodes=1)
        code = CODE.format(marks=str(marks))
        run = submit_text(workspace, cluster, tmp_path / "project", code, packages=("azureml-core",))
        wait_until(marks.exists)
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, map(int, marks.read_text().split()))))
    with AzureMLEmulator(folder) as service:
        workspace = core.Workspace.from_config(str(service.config_path))
        again = workspace.get_run(run.id)
        assert finished(again) == "Completed"
        (child,) = again.get_children()
        assert child.get_status() == "Failed"
        assert "was ended" in error_of(child)


def error_of(run: Any) -> str:
    return str(run.get_details()["error"]["error"]["message"])
