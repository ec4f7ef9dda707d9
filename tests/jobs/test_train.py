import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistlib import JobError, TrainJob
from mnistlib.training.options import NORMALIZATIONS
from mnistlib.training.solvers import SOLVERS

POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
JOBS = st.builds(
    TrainJob,
    dataset=st.text(min_size=1),
    data_folder=st.none() | st.text(),
    download=st.booleans(),
    limit=st.none() | st.integers(min_value=1),
    normalization=st.sampled_from(NORMALIZATIONS),
    regularization=POSITIVE,
    solver=st.sampled_from(sorted(SOLVERS)),
    max_iter=st.integers(min_value=1),
    tol=POSITIVE,
    seed=st.integers(0, 2**32 - 1),
)


@given(JOBS)
def test_a_job_survives_json_unchanged(job: TrainJob) -> None:
    assert TrainJob.from_json(job.to_json()) == job


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regularization": 0}, "regularization must be a finite number above 0, not 0"),
        ({"regularization": -1.5}, "above 0, not -1.5"),
        ({"regularization": float("nan")}, "not nan"),
        ({"regularization": float("inf")}, "not inf"),
        ({"regularization": "0.1"}, "not '0.1'"),
        ({"regularization": True}, "not True"),
        ({"solver": "adam"}, "solver must be one of auto, "),
        ({"normalization": "zscore"}, "normalization must be one of unit, standard, none, not 'zscore'"),
        ({"max_iter": 0}, "max_iter must be a whole number, at least 1, not 0"),
        ({"max_iter": 2.5}, "not 2.5"),
        ({"tol": 0.0}, "tol must be a finite number above 0"),
        ({"limit": 0}, "limit must be a whole number, at least 1"),
        ({"limit": True}, "not True"),
        ({"seed": -1}, "seed must be a whole number, at least 0 and at most 4294967295, not -1"),
        ({"seed": 2**32}, "at most 4294967295"),
        ({"dataset": None}, "dataset must be of type str"),
        ({"data_folder": 3}, "data_folder must be of type str"),
        ({"download": "no"}, "download must be of type bool"),
    ],
)
def test_a_bad_value_is_refused_on_creation_with_the_allowed_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError) as caught:
        TrainJob(**values)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["n" * 20_000, "null\0inside"])
def test_a_name_that_no_folder_can_have_is_a_name(name: str) -> None:
    assert TrainJob(dataset=name).dataset == name


def test_a_job_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="seed"):
        TrainJob(seed=-1)


def test_unknown_keys_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        JobError,
        match=r"unknown keys in a train job: alpha, beta; known keys: regularization, .*dataset, data_folder",
    ):
        TrainJob.from_json(json.dumps({"beta": 1, "alpha": 2, "seed": 3}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"type": "sweep"}'])
def test_invalid_json_of_a_training_job_is_refused(text: str) -> None:
    with pytest.raises(JobError, match="job must be"):
        TrainJob.from_json(text)


def test_paths_are_kept_as_text() -> None:
    job = TrainJob(dataset=Path("some/folder"), data_folder=Path("data"))  # type: ignore[arg-type] # people do
    assert (job.dataset, job.data_folder) == (str(Path("some/folder").absolute()), "data")


def test_a_path_is_a_folder_even_with_the_name_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert TrainJob(dataset=Path("mnist")).dataset == str(tmp_path / "mnist")  # type: ignore[arg-type] # people do
    assert TrainJob(dataset="mnist").dataset == "mnist"


def test_a_folder_is_found_again_from_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    assert TrainJob(dataset="images").dataset == str(tmp_path / "images")


def test_a_job_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        TrainJob().seed = 1  # type: ignore[misc] # that is the point
