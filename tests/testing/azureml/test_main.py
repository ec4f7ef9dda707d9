"""The emulator as a command."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("azureml.core")


pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_command_prints_what_another_process_needs_and_ends_when_it_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnistlib.testing.azureml", "--folder", str(tmp_path / "state")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1].startswith("export "):
            lines.append(process.stdout.readline())
        exported = dict(re.findall(r"export (\w+)=(.*)\n", "".join(lines)))
        assert lines[-1].startswith("# Workspace.from_config(")
        config = str(tmp_path / "state" / "config.json")
        code = f"from azureml.core import Workspace; print(Workspace.from_config({config!r}).name)"
        environment = {**os.environ, **exported, "HOME": str(tmp_path)}
        asked = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert asked.stdout == "loopback\n", asked.stderr
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
