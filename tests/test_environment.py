"""The table of environment variables: the code reads no others, and the page shows each."""

import re
from pathlib import Path

import pytest

import mnistlib
from mnistlib.backends import specs
from mnistlib.environment import VARIABLES, Variable

PACKAGE = Path(mnistlib.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "environment.md"
PREFIX = "MNISTLIB_"


def all_variables() -> list[Variable]:
    """Return those of the package, then those of its backends, each once."""
    own = [variable for spec in specs().values() for variable in spec.variables]
    return list(dict.fromkeys([*VARIABLES, *own]))


def rows() -> list[str]:
    return [
        f"| `{each.name}` | {each.help} | {f'`{each.default}`' if each.default else ''} |" for each in all_variables()
    ]


def test_an_unset_or_empty_variable_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    variable = Variable("MNISTLIB_OF_A_TEST", "none", "usual")
    assert variable.get() == "usual"
    monkeypatch.setenv(variable.name, "")
    assert variable.get() == "usual"
    monkeypatch.setenv(variable.name, "other")
    assert variable.get() == "other"


def test_each_variable_of_the_package_that_the_code_names_is_in_the_table() -> None:
    named = {name for path in PACKAGE.rglob("*.py") for name in re.findall(rf"\b{PREFIX}[A-Z_]+", path.read_text())}
    assert named == {each.name for each in VARIABLES if each.name.startswith(PREFIX)}


def test_only_the_table_spells_a_variable_of_the_package_in_code() -> None:
    literal = re.compile(rf"""["']{PREFIX}[A-Z_]+["']""")
    spelled = {
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if literal.search(path.read_text())
    }
    assert spelled == {"environment.py"}


def test_the_page_has_a_row_for_each_variable() -> None:
    shown = [line for line in PAGE.read_text().splitlines() if re.match(r"\| `[A-Z_]+` \|", line)]
    assert shown == rows(), "replace the rows of the page by:\n" + "\n".join(rows())
