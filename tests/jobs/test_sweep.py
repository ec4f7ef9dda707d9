import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mnistlib import JobError, LocalBackend, ScriptJob, SweepJob, TrainJob
from mnistlib.jobs import Outcome, Sweep
from mnistlib.jobs.job import Work
from mnistlib.jobs.runner import read_job, run_in_folder
from mnistlib.report import write_report
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.context import OUTPUTS

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


@dataclass(frozen=True)
class SeedSweep(Sweep):
    """A kind of sweep that the package does not know: the worst of two seeds."""

    type: ClassVar[str] = "seed sweep"
    title: ClassVar[str] = "sweep of seeds"
    parameter: ClassVar[str] = "seed"

    seeds: tuple[int, ...]
    primary_metric: str = "accuracy"
    goal: str = "minimize"

    def trials(self) -> list[TrainJob]:
        return [TrainJob(dataset="digits", limit=100, tol=0.1, validation=0.2, seed=seed) for seed in self.seeds]

    def work(self, trials: Sequence[Path]) -> Work:
        return partial(self._run, list(trials))

    def _run(self, trials: Sequence[Path], context: RunContext) -> Outcome:
        for folder in trials:
            run_in_folder(folder)
        return self.choose(trials, context)

    def choose(self, folders: Sequence[Path], context: RunContext) -> Outcome:
        accuracies = [RunRecord.read(folder).metrics[self.primary_metric] for folder in folders]
        context.best_trial = accuracies.index(min(accuracies))
        shutil.copytree(folders[context.best_trial] / OUTPUTS, context.output_path("."), dirs_exist_ok=True)
        return Outcome()


def test_another_kind_of_sweep_is_one_class(tmp_path: Path) -> None:
    run = LocalBackend(tmp_path).submit(SeedSweep(seeds=(1, 2)))
    run.result(60)
    assert [child.status for child in run.children()] == [RunStatus.COMPLETED] * 2
    best = run.best
    assert best is not None
    assert best.metrics().latest["accuracy"] == min(child.metrics().latest["accuracy"] for child in run.children())
    report = write_report(run, tmp_path / "report.html").read_text()
    assert "Accuracy against seed" in report
    job = read_job(best.local_folder())
    assert isinstance(job, TrainJob)
    assert f"Best trial: seed {job.seed}" in report


def test_another_kind_of_sweep_reuses_completed_trials(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    first = backend.submit(SeedSweep(seeds=(1,)))
    first.result(60)
    again = backend.submit(SeedSweep(seeds=(1, 2)), resume=True)
    again.result(60)
    assert again.children()[0].id == first.children()[0].id
    assert len(backend.runs()) == 4


@dataclass(frozen=True)
class ScriptSweep(SeedSweep):
    """A sweep of scripts, whose jobs have environment variables and cannot be reused."""

    type: ClassVar[str] = "script sweep"

    source_directory: str = "."

    def trials(self) -> list[ScriptJob]:  # type: ignore[override]
        text = f"import mnistlib; mnistlib.current_run().log_metric('accuracy', {len(self.seeds)} / 10)"
        (Path(self.source_directory) / "train.py").write_text(text)
        return [
            ScriptJob(script="train.py", source_directory=self.source_directory, environment={"SEED": str(seed)})
            for seed in self.seeds
        ]


def test_a_script_is_run_again_when_a_sweep_is_resumed(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    backend = LocalBackend(tmp_path / "runs")
    for seeds in ((1,), (1, 2)):
        sweep = ScriptSweep(seeds=seeds, source_directory=str(tmp_path / "source"))
        run = backend.submit(sweep, resume=True)
        run.wait(60)
        assert [child.metrics().latest["accuracy"] for child in run.children()] == [len(seeds) / 10] * len(seeds)


def test_a_trial_is_reused_whether_its_regularization_is_a_whole_number_or_not(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    base = TrainJob(dataset="digits", limit=100, tol=0.1)
    first = backend.submit(SweepJob(base=base, regularization=[1]))
    first.result(60)
    again = backend.submit(SweepJob(base=base, regularization=[1.0]), resume=True)
    again.result(60)
    assert [child.id for child in again.children()] == [child.id for child in first.children()]
