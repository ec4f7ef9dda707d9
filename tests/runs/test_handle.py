"""Handle on a run, in addition to the tests of the contract."""

from dataclasses import replace
from pathlib import Path

import pytest

from mnistlib import LocalBackend, SweepJob, TrainJob
from mnistlib.jobs import sweep as sweep_module
from mnistlib.runs import RunRecord

SWEEP = SweepJob(base=TrainJob(dataset="digits", limit=200, tol=1e-2), regularization=[1e4, 1.0])


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend(tmp_path / "runs")


def test_the_record_of_a_sweep_has_the_index_of_its_best_trial(backend: LocalBackend) -> None:
    run = backend.submit(SWEEP)
    run.wait()
    assert run.record.best_trial == run.best_trial == 1
    assert run.best is not None
    assert run.best.id == run.record.children[1]
    assert "best_child" not in run.metrics().latest


def test_a_sweep_that_fails_after_the_choice_still_knows_its_best_trial(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no data")

    monkeypatch.setattr(sweep_module, "load_dataset", fail)
    run = backend.submit(SWEEP)
    assert run.wait().ended
    assert (run.record.error, run.best_trial) == ("OSError: no data", 1)


def test_a_training_run_has_no_best_trial(backend: LocalBackend) -> None:
    run = backend.submit(SWEEP.base)
    run.wait()
    assert run.best_trial is None
    assert run.best is None


def test_a_sweep_without_its_trials_here_has_no_best_run(backend: LocalBackend) -> None:
    run = backend.submit(SWEEP)
    run.wait()
    replace(RunRecord.read(run.local_folder()), children=()).write(run.local_folder())
    attached = LocalBackend(run.local_folder().parents[1]).attach(run.id)
    assert attached.best_trial == 1
    assert attached.best is None
