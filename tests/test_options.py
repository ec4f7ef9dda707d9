from dataclasses import dataclass, replace

import pytest

from mnistlib import JobError, TrainJob
from mnistlib.options import check_options, choice, option, options_in, positive, share, type_of, whole
from mnistlib.training.options import SolverOptions


@dataclass(frozen=True)
class Oven:
    heat: float = option(200.0, "degrees Celsius", check=positive)
    racks: int | None = option(None, "racks in use", check=whole(1, 4))
    fan: bool = option(False, "circulate the air")
    owner: str = "nobody"


def test_only_fields_made_by_option_are_options() -> None:
    assert [field.name for field, _ in options_in(Oven)] == ["heat", "racks", "fan"]


@pytest.mark.parametrize(("name", "kind"), [("heat", float), ("racks", int), ("fan", bool)])
def test_the_type_of_an_option_is_that_of_its_values(name: str, kind: type) -> None:
    assert type_of(Oven, name) is kind


def test_the_value_that_stands_for_none_given_is_not_checked() -> None:
    check_options(Oven(racks=None))


@pytest.mark.parametrize(
    ("oven", "message"),
    [
        (Oven(heat=-1.0), "heat must be a finite number above 0, not -1.0"),
        (Oven(racks=5), "racks must be a whole number, at least 1 and at most 4, not 5"),
    ],
)
def test_a_value_out_of_range_is_refused(oven: Oven, message: str) -> None:
    with pytest.raises(JobError, match=message):
        check_options(oven)


def test_checks_list_the_allowed_values() -> None:
    with pytest.raises(JobError, match="mode must be one of a, b, not 'c'"):
        choice("a", "b")("mode", "c")
    with pytest.raises(JobError, match="part must be a number from 0 to below 1, not 1"):
        share("part", 1)


@pytest.mark.parametrize("field", [field.name for field, _ in options_in(SolverOptions)])
def test_an_option_of_a_solver_is_one_of_a_training_job(field: str) -> None:
    job = TrainJob()
    value = getattr(job, field)
    assert getattr(replace(job, **{field: type(value)(value + 1)}), field) == value + 1
