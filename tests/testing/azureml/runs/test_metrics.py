from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnistlib.testing.azureml.runs.metrics import Logged, add_metric, numbers_of
from mnistlib.testing.azureml.store import Store

#: The first second of 1970.
SECOND = "1970-01-01T00:00:01+00:00"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.sqlite")
    yield store
    store.close()


def metric(name: str, *values: Any, first: int = 0, step: int | None = None) -> dict[str, Any]:
    """Return a metric as the SDK sends it: each value with its own id and time."""
    return {
        "name": name,
        "columns": {name: "Double"},
        "value": [
            {
                "metricId": f"{name}-{number}",
                "createdUtc": "1970-01-01T00:00:01+00:00",
                "step": step,
                "data": {name: value},
            }
            for number, value in enumerate(values, first)
        ],
    }


def test_values_of_one_name_are_a_list_in_the_order_of_arrival(store: Store) -> None:
    add_metric(store, "run", metric("loss", 3))
    add_metric(store, "run", metric("loss", 2, 1, first=1))
    assert numbers_of(store, "run") == {
        "loss": [Logged(value=value, step=step, timestamp=1000) for step, value in enumerate((3.0, 2.0, 1.0))]
    }


def test_a_value_that_is_sent_twice_counts_once(store: Store) -> None:
    for _ in range(2):
        add_metric(store, "run", metric("loss", 3, 2))
    assert [logged.value for logged in numbers_of(store, "run")["loss"]] == [3, 2]


def test_a_given_step_is_kept(store: Store) -> None:
    add_metric(store, "run", metric("accuracy", 0.5, step=7))
    assert [logged.step for logged in numbers_of(store, "run")["accuracy"]] == [7]


def test_numbers_without_a_json_literal_are_read(store: Store) -> None:
    add_metric(store, "run", metric("odd", "NaN", "Infinity", "-Infinity"))
    assert [str(logged.value) for logged in numbers_of(store, "run")["odd"]] == ["nan", "inf", "-inf"]


def test_texts_and_tables_are_not_numbers(store: Store) -> None:
    add_metric(store, "run", metric("text", "words"))
    add_metric(store, "run", metric("table", {"x": 1}))
    assert numbers_of(store, "run") == {}


def test_runs_have_their_own_metrics(store: Store) -> None:
    add_metric(store, "run", metric("loss", 1))
    add_metric(store, "run-2", metric("loss", 2))
    assert numbers_of(store, "run").keys() == {"loss"}
    assert [logged.value for logged in numbers_of(store, "run")["loss"]] == [1]
    assert numbers_of(store, "another") == {}
