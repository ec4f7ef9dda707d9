"""All commands, each in this process."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnistlib import LocalBackend, TrainJob, load_dataset, write_idx
from mnistlib.cli import main
from mnistlib.cli.parser import make_parser
from tests.serving.servers import needs_server

#: Session with every command that uses a backend, in an order in which the requirements of each are met.
SESSION = """
train --dataset digits --tol 0.01
train --dataset digits --dry-run
sweep --dataset digits --tol 0.01 --regularization 0.5,5
sweep --dataset digits --regularization 0.5,5 --dry-run
runs list
runs show RUN
runs compare RUN RUN
runs logs RUN
runs cancel RUN RUN
register RUN digits
models list
models show digits
models download digits copy
evaluate RUN
predict RUN image
show RUN
report RUN
serve digits --port 0
serve RUN --port 0
export-service digits folder
deploy digits
services list
services show digits
services logs digits
score --service digits image
services delete digits
register RUN digits
models delete digits:1 digits:2
runs delete RUN
"""
#: They have the option --backend and make none: doctor takes the steps one by one, node is the other side.
WITHOUT = {"doctor", "node"}


@pytest.fixture
def _loggers_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("mnistlib", "mnistlib.progress")]
    before = [(logger, logger.handlers, logger.level) for logger in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers = handlers
        logger.setLevel(level)


def commands_with_a_backend(parser: argparse.ArgumentParser, *words: str) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands_with_a_backend(below, *words, name)
        elif action.dest == "backend":
            yield " ".join(words)


def test_the_session_has_every_command_that_makes_a_backend() -> None:
    commands = set(commands_with_a_backend(make_parser())) - WITHOUT
    assert commands == {max((c for c in commands if line.startswith(c)), key=len) for line in SESSION.split("\n")[1:-1]}


@pytest.mark.usefixtures("_loggers_as_before")
@needs_server
def test_a_command_makes_one_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mnistlib.serving.server.serve", lambda _, listening, **__: listening.close())
    write_idx("image", load_dataset("digits").test.images[:1])
    run_id = LocalBackend().run(TrainJob(dataset="digits", tol=0.01)).run_id
    make, made = LocalBackend.__init__, []

    def count(self: LocalBackend, *positional: Any, **options: Any) -> None:
        made.append(self)
        make(self, *positional, **options)

    monkeypatch.setattr(LocalBackend, "__init__", count)
    counts = {}
    for line in SESSION.replace("RUN", run_id).split("\n")[1:-1]:
        made.clear()
        assert main([*line.split(), "-q"]) == 0, line
        counts[line] = len(made)
    assert counts == dict.fromkeys(counts, 1)
