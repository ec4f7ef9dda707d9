import json
from pathlib import Path

import numpy as np
import pytest

from mnistlib import JobError, RunStateError, ScriptJob, SweepJob, TrainJob
from mnistlib.jobs import Job, job_from_json
from mnistlib.jobs.runner import read_job

JOBS: list[Job] = [
    TrainJob(regularization=0.5),
    SweepJob(base=TrainJob(dataset="digits"), regularization=[0.1, 1]),
    ScriptJob(script="a/train.py", arguments=["--rate", 0.5], environment={"A": "b"}),
]


@pytest.mark.parametrize("job", JOBS, ids=[job.type for job in JOBS])
def test_every_type_of_job_survives_json(job: Job) -> None:
    assert job_from_json(job.to_json()) == job
    assert type(job).from_json(job.to_json()) == job


@pytest.mark.parametrize("text", ["{}", '{"type": []}', '{"type": "cook"}', "[]", "nonsense"])
def test_an_invalid_job_is_refused(text: str) -> None:
    with pytest.raises(JobError, match=r"must be one of train, sweep, script|job must be"):
        job_from_json(text)


def test_a_job_of_another_type_is_refused_by_name() -> None:
    with pytest.raises(JobError, match='a train job must be a JSON object whose "type" is "train"'):
        TrainJob.from_json(JOBS[1].to_json())


def test_unknown_keys_are_refused_also_inside_a_sweep() -> None:
    content = json.loads(JOBS[1].to_json())
    content["base"]["alpha"] = 1
    with pytest.raises(JobError, match="unknown keys in a train job: alpha"):
        job_from_json(json.dumps(content))


@pytest.mark.parametrize(("text", "missing"), [('{"type": "script"}', "script"), ('{"type": "sweep"}', "base")])
def test_missing_keys_are_named(text: str, missing: str) -> None:
    with pytest.raises(JobError, match=f"missing keys in a (script|sweep) job: {missing}"):
        job_from_json(text)


def test_numpy_numbers_are_converted_to_plain_ones() -> None:
    sweep = SweepJob(base=TrainJob(seed=np.int64(3)), regularization=np.logspace(-2, 0, 3))  # type: ignore[arg-type]
    assert job_from_json(sweep.to_json()) == sweep
    assert list(sweep.regularization) == [0.01, 0.1, 1.0]


def test_a_job_does_not_change_with_its_original_arguments() -> None:
    environment = {"A": "b"}
    job = ScriptJob(script="train.py", environment=environment)
    environment["A"] = "c"
    assert job.environment == {"A": "b"}


def test_a_variant_of_a_kind_does_not_take_its_place() -> None:
    class Mine(TrainJob):
        pass

    assert type(job_from_json(TrainJob().to_json())) is TrainJob


def test_a_second_kind_of_the_same_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"the kind of job 'train' is TrainJob of mnistlib\.jobs\.train already"):

        class Mine(Job):
            type = "train"


def test_a_stored_job_that_is_not_understood_is_an_error_of_its_run(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"type": "train", "momentum": 0.9}')
    with pytest.raises(RunStateError, match=r"cannot read the job of run .*: unknown keys .*momentum"):
        read_job(tmp_path)
