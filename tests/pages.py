"""Pages of the documentation as a reader follows them: write each file, run each command and each line of Python.

A page shows three kinds of blocks that a test runs, in the order of the page and in one folder:

- a file: its name in backticks and a colon, then the block;
- ``console``: commands after ``$``, each with its output, if the page shows it;
- ``python`` with ``>>>``.

A line of output that is ``...``, or that contains it, stands for any text. Blocks of other languages, such as ``sh``,
are not run.
"""

import doctest
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]

RUN_ID = re.compile(r"\b(?:\d{8}-\d{6}-[0-9a-f]{6}|default_\d+_[0-9a-f]{8})\b")
#: Parts of an output that differ from run to run: counts that depend on rounding, times, ages and dates.
VARYING = re.compile(r"\d+ iterations|in \d+\.\d+s|\b\d+ s\b|\b\d{4}-\d\d-\d\d\b")

_BLOCK = re.compile(
    r"(?:^`(?P<file>[\w./-]+)`:\n\n)?^```(?P<language>[^\n`]*)\n(?P<content>.*?)^```", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """Block of code on a page: its language, its content, and its name if it is a file."""

    language: str
    content: str
    file: str | None = None


@dataclass(frozen=True)
class Command:
    """Command of a ``console`` block, and the output that the page shows; none means any output."""

    line: str
    output: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    return [Block(**found.groupdict()) for found in _BLOCK.finditer(page.read_text())]


def commands(block: Block) -> list[Command]:
    """Return the commands of a ``console`` block."""
    return [
        Command(line, output)
        for line, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.content, re.MULTILINE)
    ]


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


class Reader:
    """Reader of a page, who follows it in a folder.

    Parameters
    ----------
    folder : Path
        Current folder of all code and commands.
    environment : mapping of str to str, optional
        Variables for the commands, beside those of this process.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        path = sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"]
        self._environment = {**os.environ, "PATH": path, **(environment or {})}
        self._environment.pop("COLUMNS", None)  # tox sets it; narrow tables are truncated
        self._names: dict[str, Any] = {}
        self._now: dict[str, str] = {}  # run id on the page -> id now
        self.printed: dict[str, str] = {}  # output of each command

    def follow(self, page: Path, *, without: str = "") -> None:
        """Write, run and check all blocks of a page, but those of ``console`` with the given words."""
        for block in blocks(page):
            if block.file:
                (self._folder / block.file).write_text(block.content)
            elif block.language == "console" and not (without and without in block.content):
                for command in commands(block):
                    self._run(command)
            elif block.language == "python" and ">>>" in block.content:
                self._evaluate(block.content, page.name)

    def _run(self, command: Command) -> None:
        line = self._translated(command.line)
        # A terminal shows both streams; here stderr comes before stdout, as on the pages.
        done = subprocess.run(
            line, shell=True, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )
        printed = done.stderr + done.stdout
        assert done.returncode == 0, f"$ {line}\n{printed}"
        self.printed[command.line] = printed
        if command.output:
            for shown, now in zip(_new(command.output, self._now), _new(printed, self._now.values()), strict=False):
                self._now[shown] = now
            expected = self._translated(command.output)
            assert _matches(expected, printed), f"$ {line}\n{printed}\nbut the page shows\n{expected}"

    def _translated(self, text: str) -> str:
        """Return text of the page with the run ids of now."""
        return RUN_ID.sub(lambda found: self._now.get(found[0], found[0]), text)

    def _evaluate(self, content: str, name: str) -> None:
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        test = doctest.DocTestParser().get_doctest(content, self._names, name, None, None)
        with chdir(self._folder):
            failed = runner.run(test, clear_globs=False).failed
        self._names = test.globs
        assert failed == 0, f"{name}: see the standard output"


def _new(text: str, known: Any) -> Iterator[str]:
    yield from dict.fromkeys(found for found in RUN_ID.findall(text) if found not in set(known))


def _matches(expected: str, printed: str) -> bool:
    expected, printed = (VARYING.sub("…", text) for text in (expected, printed))
    pattern = ".*".join(re.escape(part) for part in re.split(r"\.\.\.\n?", expected))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None
