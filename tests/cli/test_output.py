import argparse
import json
from collections.abc import Iterator

import pytest

from mnistlib.cli.output import Answer, print_answer


def failing() -> Iterator[str]:
    yield str(1 / 0)


def test_an_answer_is_printed_as_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(Answer({"labels": [3, 1]}, iter(["3", "1"])), argparse.Namespace(json=False))
    assert capsys.readouterr().out == "3\n1\n"


def test_an_answer_is_printed_as_one_json_object_without_making_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(Answer({"labels": [3, 1]}, failing()), argparse.Namespace(json=True))
    assert json.loads(capsys.readouterr().out) == {"labels": [3, 1]}
