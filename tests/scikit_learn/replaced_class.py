"""A pytest plugin that runs scikit-learn's own tests with its `LogisticRegression` replaced by ours.

What is expected to fail stands in a table of docs/drop-in.md, each with its reason. A test that fails and is not there
fails; so does one that is there and passes, and a line that is about no test.

    pytest -p replaced_class --pyargs sklearn.linear_model.tests.test_logistic
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sklearn.linear_model

from mnistlib.linear import LogisticRegression

PAGE = Path(__file__).parents[2] / "docs" / "drop-in.md"
#: A line of the table: the test, which of its parameters, and the reason.
LINE = re.compile(r"^\| `(?P<test>test_\w+)` \| (?P<parameters>all|`[^`]+`) \| (?P<reason>[^|]+) \|$", re.MULTILINE)

sklearn.linear_model.LogisticRegression = LogisticRegression


@dataclass(frozen=True)
class ExpectedFailure:
    """A line of the table."""

    test: str
    parameters: str
    reason: str

    def covers(self, item: pytest.Function) -> bool:
        """Return whether it is about a test: its name, and a pattern that is found in the id of its parameters."""
        if item.originalname != self.test:
            return False
        return self.parameters == "all" or re.search(self.parameters.strip("`"), item.name) is not None


def expected_failures() -> Iterator[ExpectedFailure]:
    """Yield the lines of the table."""
    text = PAGE.read_text()
    lines = list(LINE.finditer(text))
    assert len(lines) == text.count("\n| `test_"), "docs/drop-in.md: a line of the table can't be read"
    for line in lines:
        yield ExpectedFailure(**line.groupdict())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    functions = [item for item in items if isinstance(item, pytest.Function)]
    for module in {function.module for function in functions}:
        assert module.LogisticRegression is LogisticRegression, f"{module} was imported before"
    for failure in expected_failures():
        covered = [function for function in functions if failure.covers(function)]
        assert covered, f"docs/drop-in.md: there is no such test: {failure}"
        for function in covered:
            function.add_marker(pytest.mark.xfail(reason=failure.reason, strict=True))
