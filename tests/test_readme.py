"""What the README shows is what happens."""

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


def test_the_transcript_is_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNISTLIB_RUNS")
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"])
    (transcript,) = (block for block in console_blocks() if "$ mnistlib train" in block)
    identifiers = RUN_ID.findall(transcript)
    printed = ""
    for command in re.findall(r"^\$ (.*)$", transcript, re.MULTILINE):
        # The run's id is made anew each time: later commands get the one that the first has made.
        now = RUN_ID.findall(printed)
        actual = command.replace(identifiers[0], now[0]) if now else command
        # On a terminal both streams show; here they come one after the other, as the README has them.
        done = subprocess.run(actual, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
        printed += f"$ {actual}\n{done.stderr}{done.stdout}"
    # The number of iterations depends on how the processor's matrix products round.
    printed, transcript = (ITERATIONS.sub("N iterations", RUN_ID.sub("ID", text)) for text in (printed, transcript))
    assert printed == transcript


def test_the_python_examples_give_what_is_shown() -> None:
    runner = doctest.DocTestRunner()
    test = doctest.DocTestParser().get_doctest(README.replace("```", ""), {}, "README.md", None, None)
    assert test.examples
    assert runner.run(test).failed == 0


def test_the_second_command_is_what_ci_runs() -> None:
    (command,) = (block for block in console_blocks() if "install tox" in block)
    script = (ROOT / ".ci" / "run").read_text()
    for part in command.removeprefix("$ ").strip().split(" && "):
        assert part.replace("pip install", "pip install --quiet") in script


def test_every_link_to_a_file_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_extra_is_in_the_table_and_the_other_way_round() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = re.findall(r"^\| `([a-z0-9-]+)` \| [a-z]", README, re.MULTILINE)
    assert set(table) == set(extras)
