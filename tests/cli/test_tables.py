import sys

import pytest

from mnistlib.cli.tables import facts_table, format_table, metric_cell

LONG = [["a1", "x" * 300]]


def test_cells_are_aligned_in_columns() -> None:
    assert format_table(["run", ">accuracy"], [["a1", "0.92"], ["a22", "1"]]) == (
        "run  accuracy\na1       0.92\na22         1\n"
    )


def test_a_table_without_rows_has_its_titles() -> None:
    assert format_table(["run", ">accuracy"], []) == "run  accuracy\n"


def test_a_tables_widest_column_is_cut_until_a_line_fits() -> None:
    text = format_table([">value", "name"], [["1", "a" * 30], ["22", "b"]], width=20)
    assert text.splitlines() == ["value  name", "    1  aaaaaaaaaaaa…", "   22  b"]


def test_a_table_never_cuts_its_first_column_and_shows_no_control_characters() -> None:
    text = format_table(["run", "name"], [["20261120-124940-9128ab", "x\ny\x1b[31m" + "z" * 30]], width=30)
    assert text.splitlines()[1] == "20261120-124940-9128ab  x?y?[…"


def test_the_first_column_is_cut_if_no_other_can_be() -> None:
    assert format_table(["run", "a"], [["r" * 20, "long"]], width=10).splitlines()[1] == "rrrr…  lo…"


def test_cells_are_not_cut_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert "x" * 300 in format_table(["run", "name"], LONG)


def test_the_variable_columns_limits_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert max(map(len, format_table(["run", "name"], LONG).splitlines())) == 20


def test_facts_are_aligned_and_empty_ones_omitted() -> None:
    facts = {"run": "a1", "sweep": "", "accuracy": "0.92"}
    assert facts_table(facts, width=10) == [
        "run         a1",
        "accuracy    0.92",
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("iterations", 12.0, "12"),
        ("accuracy", 1.0, "1.0000"),
        ("best_accuracy", 0.92345, "0.9234"),
        ("objective", 1234.5678, "1235"),
        ("objective", 0.00012, "0.0001"),
        ("objective", float("nan"), "nan"),
        ("objective", float("inf"), "inf"),
    ],
)
def test_a_metric_has_four_decimals_unless_it_is_whole_or_large(name: str, value: float, text: str) -> None:
    assert metric_cell({name: value}, name) == text


def test_a_missing_metric_is_an_empty_cell() -> None:
    assert metric_cell({}, "accuracy") == ""
