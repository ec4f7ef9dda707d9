"""The commands of docs/azure.md, run in their order against the emulator."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mnistlib.cli.parser import make_parser, with_action
from tests.azureml import strangers

PAGE = (Path(__file__).parent.parent / "docs" / "azure.md").read_text()
RUN_ID = re.compile(r"\bdefault_\d+_[0-9a-f]{8}\b")
SDKS = {"azureml": "azureml.core", "azureml-v2": "azure.ai.ml"}


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with the programs `mnistlib` and `python`, which run this interpreter."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, start in (("mnistlib", "-m mnistlib"), ("python", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {start} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def test_every_mnistlib_command_is_in_a_console_block() -> None:
    in_blocks = re.findall(r"```.*?```", PAGE, re.DOTALL)
    named = re.findall(r"^(?:\$ )?(mnistlib .*)$", "\n".join(in_blocks), re.MULTILINE)
    assert named == [command for command in commands() if command.startswith("mnistlib")]


def test_every_command_in_the_prose_is_valid() -> None:
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    named = re.findall(r"`mnistlib ([^`]*)`", prose)
    assert named
    for command in named:  # argparse exits on an unknown command
        make_parser().parse_args(with_action(command.split()))


@pytest.mark.parametrize("backend", SDKS)
def test_the_commands_of_the_page_succeed(
    backend: str, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(SDKS[backend], reason=f"the extra {backend} is not installed")
    from mnistlib.testing.azureml import AzureMLEmulator

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("MNISTLIB_BACKEND", backend)
    (shown,) = set(RUN_ID.findall(PAGE))
    run_id, printed = shown, {}
    with AzureMLEmulator(tmp_path / "azureml") as service:
        here = service.config_path.parent
        for command in commands():
            actual = command.replace(shown, run_id)
            done = subprocess.run(actual, shell=True, cwd=here, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{actual}\n{done.stdout}\n{done.stderr}"
            printed[command] = done.stdout
            if made := re.search(r"^run +(\S+)$", done.stdout, re.MULTILINE):
                run_id = made[1]
        assert run_id != shown
        assert printed["mnistlib doctor"].endswith(f"{backend} is ready\n")
        assert "sklearn_mnist" in printed["mnistlib models"]
        assert (here / "report.html").is_file()
        assert list((here / "model").iterdir())
        (prediction,) = [command for command in printed if "predict" in command]
        assert len(printed[prediction].split()) >= 5
        deleted = [request for request in service.requests if request.method == "DELETE"]
        assert [request.path.rpartition("/")[2] for request in deleted] == ["sklearn-mnist", "cpu-cluster"]
        assert strangers(service) == []
