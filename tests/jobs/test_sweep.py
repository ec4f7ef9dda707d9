import json
from typing import Any

import pytest

from mnistlib import JobError, SweepJob, TrainJob

BASE = TrainJob(dataset="digits")
GOOD: dict[str, Any] = {"base": BASE, "regularization": [1.0]}


def test_trials_are_the_base_at_each_value_with_a_fifth_held_back() -> None:
    trials = SweepJob(base=BASE, regularization=[0.1, 1.0]).trials()
    assert [child.regularization for child in trials] == [0.1, 1.0]
    assert {child.validation for child in trials} == {0.2}
    assert {child.dataset for child in trials} == {"digits"}


def test_the_base_may_say_how_much_is_held_back() -> None:
    base = TrainJob(dataset="digits", validation=0.5)
    assert SweepJob(base=base, regularization=[1.0]).trials()[0].validation == 0.5


def test_the_best_is_the_largest_or_the_smallest_and_the_first_of_equals() -> None:
    values = {"a": 1.0, "b": 2.0, "c": 2.0}
    assert SweepJob(base=BASE, regularization=[1.0]).best_of(values) == "b"
    assert SweepJob(base=BASE, regularization=[1.0], goal="minimize").best_of(values) == "a"
    assert SweepJob(base=BASE, regularization=[1.0]).best_of({}) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regularization": []}, "must be a list of numbers above 0, not []"),
        ({"regularization": 0.5}, "must be a list of numbers above 0, not 0.5"),
        ({"regularization": [1.0, 0]}, "each value of regularization must be a finite number above 0, not 0"),
        ({"regularization": [1.0, 1]}, "duplicate values of regularization"),
        ({"goal": "best"}, "goal must be one of maximize, minimize, not 'best'"),
        ({"base": {}}, "base must be of type TrainJob"),
        ({"primary_metric": 3}, "primary_metric must be of type str"),
    ],
)
def test_a_bad_value_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError) as caught:
        SweepJob(**(GOOD | values))
    assert message in str(caught.value)


def test_the_content_for_another_machine_is_a_sweep_without_the_data_folder_of_this_one() -> None:
    sweep = SweepJob(base=TrainJob(dataset="digits", data_folder="/here"), regularization=[1.0])
    elsewhere = SweepJob.from_json(json.dumps(sweep.content_elsewhere()))
    assert elsewhere == SweepJob(base=TrainJob(dataset="digits"), regularization=[1.0])
