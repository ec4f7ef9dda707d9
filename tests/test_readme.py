"""The README's commands, code, size and tables."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.pages import DOCS, README, ROOT, Reader, blocks

_LINES = 170


def test_a_reader_gets_the_outputs_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNISTLIB_RUNS")
    reader = Reader(tmp_path)
    reader.follow(README, without="-m venv")  # CI runs those
    assert any(command.startswith("mnistlib train") for command in reader.printed)


def test_ci_runs_the_second_command() -> None:
    (block,) = [each for each in blocks(README) if "install tox" in each.content]
    script = (ROOT / ".ci" / "run").read_text()
    for part in block.content.removeprefix("$ ").strip().split(" && "):
        assert part.replace("pip install", "pip install --quiet") in script


def test_ci_runs_the_first_command() -> None:
    (block,) = [each for each in blocks(README) if "pip install ." in each.content]
    script = (ROOT / ".ci" / "run").read_text().replace('"$scratch/.venv', ".venv").replace('"', "")
    for part in block.content.removeprefix("$ ").strip().split(" && ")[1:]:
        assert part.replace("pip install", "pip install --quiet") in script


def test_the_readme_is_short() -> None:
    assert README.read_text().count("\n") <= _LINES


def test_the_table_of_extras_lists_exactly_the_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (DOCS / "installation.md").read_text()
    table = re.findall(r"^\| `([a-z0-9-]+)` \| [a-z]", page, re.MULTILINE)
    assert set(table) == set(extras)
