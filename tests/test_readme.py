"""The README's commands, code, links and tables."""

import doctest
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ITERATIONS = re.compile(r"\d+ iterations")
RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


def console_blocks() -> list[str]:
    return re.findall(r"```console\n(.*?)```", README, re.DOTALL)


def test_the_commands_print_the_transcript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNISTLIB_RUNS")
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"])
    (transcript,) = (block for block in console_blocks() if "$ mnistlib train" in block)
    identifiers = RUN_ID.findall(transcript)
    printed = ""
    for command in re.findall(r"^\$ (.*)$", transcript, re.MULTILINE):
        # The run id is new each time: later commands use the id that the first command printed.
        now = RUN_ID.findall(printed)
        actual = command.replace(identifiers[0], now[0]) if now else command
        # A terminal shows both streams; here stderr comes before stdout, as in the README.
        done = subprocess.run(actual, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
        printed += f"$ {actual}\n{done.stderr}{done.stdout}"
    # The number of iterations depends on how the processor's matrix products round.
    printed, transcript = (ITERATIONS.sub("N iterations", RUN_ID.sub("ID", text)) for text in (printed, transcript))
    assert printed == transcript


def test_the_python_examples_print_the_shown_output() -> None:
    runner = doctest.DocTestRunner()
    test = doctest.DocTestParser().get_doctest(README.replace("```", ""), {}, "README.md", None, None)
    assert test.examples
    assert runner.run(test).failed == 0


def test_ci_runs_the_second_command() -> None:
    (command,) = (block for block in console_blocks() if "install tox" in block)
    script = (ROOT / ".ci" / "run").read_text()
    for part in command.removeprefix("$ ").strip().split(" && "):
        assert part.replace("pip install", "pip install --quiet") in script


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_table_lists_exactly_the_extras() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = re.findall(r"^\| `([a-z0-9-]+)` \| [a-z]", README, re.MULTILINE)
    assert set(table) == set(extras)
