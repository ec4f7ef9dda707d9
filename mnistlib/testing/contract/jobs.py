"""Contract of a backend for the jobs that it runs: training, sweeps and scripts."""

import time
from pathlib import Path

import joblib
import numpy as np
import pytest

import mnistlib
from mnistlib.backends import Backend
from mnistlib.errors import JobFailedError
from mnistlib.jobs import ScriptJob, SweepJob, TrainJob
from mnistlib.runs import RunStatus
from mnistlib.testing.contract.subjects import LIMIT, SWEEP, TRAIN, Finished, endless_training, script, until

_ORDER = [RunStatus.QUEUED, RunStatus.PREPARING, RunStatus.RUNNING]


class TestTraining:
    def test_submit_returns_at_once_a_run_that_completes(self, backend: Backend) -> None:
        run = backend.submit(TRAIN, experiment="mine", name="first", tags={"why": "to see"})
        assert run.experiment == "mine"
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        assert run.done()

    def test_statuses_come_in_order(self, backend: Backend) -> None:
        run = backend.submit(TRAIN)
        seen = [run.status]
        while not seen[-1].ended:
            time.sleep(0.01)
            if (status := run.status) is not seen[-1]:
                seen.append(status)
        *before, last = seen
        assert last is RunStatus.COMPLETED
        assert before == [status for status in _ORDER if status in before]

    def test_the_result_has_metrics_and_a_model(self, trained: Finished) -> None:
        result = trained.run.result(LIMIT)
        assert (result.status, result.converged) == (RunStatus.COMPLETED, True)
        assert result.metrics["accuracy"] > 0.9
        test = mnistlib.load_dataset("digits").test
        answers = joblib.load(result.model_path).predict(test.images.reshape(-1, 64) / 255)
        assert np.mean(answers == test.labels) == result.metrics["accuracy"]

    def test_metrics_are_curves_with_a_latest_value(self, trained: Finished) -> None:
        run = trained.run
        metrics = run.metrics()
        steps, values = zip(*metrics["objective"], strict=True)
        assert list(steps) == sorted(set(steps))
        assert len(values) > 2
        assert values[-1] < values[0]
        assert metrics.latest["objective"] == values[-1]

    def test_files_are_listed_and_downloaded(self, trained: Finished, tmp_path: Path) -> None:
        run = trained.run
        names = ["outputs/model.json", "outputs/sklearn_mnist_model.pkl"]
        assert set(names) <= set(run.files())
        assert run.download(tmp_path / "here", names) == [tmp_path / "here" / name for name in names]
        assert mnistlib.load_model(tmp_path / "here/outputs").description is not None
        assert {"job.json", *names} <= {
            path.relative_to(tmp_path / "all").as_posix() for path in run.download(tmp_path / "all")
        }

    def test_downloading_a_missing_file_fails_and_lists_the_files(self, trained: Finished, tmp_path: Path) -> None:
        run = trained.run
        with pytest.raises(FileNotFoundError, match=r"no file 'model\.onnx'; it has .*model\.json"):
            run.download(tmp_path / "here", ["model.onnx"])

    def test_logs_have_the_output_of_the_job(self, trained: Finished) -> None:
        assert "fitting 1442 images" in trained.run.logs()

    def test_output_is_shown_while_waiting(self, backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
        run = backend.submit(TRAIN)
        run.wait(LIMIT, show_output=True)
        assert "fitting 1442 images" in capsys.readouterr().err

    def test_the_same_job_gives_the_same_coefficients(self, trained: Finished) -> None:
        results = trained.run.result(LIMIT), trained.backend.run(TRAIN)
        first, second = (joblib.load(result.model_path) for result in results)
        assert first.coef_.tobytes() == second.coef_.tobytes()

    def test_validation_scores_held_out_training_images(self, backend: Backend) -> None:
        run = backend.submit(TrainJob(dataset="digits", tol=1e-2, validation=0.25))
        run.wait(LIMIT)
        assert "fitting 1082 images" in run.logs()
        assert "on 360 images" in run.logs()

    def test_the_repr_has_id_and_status(self, trained: Finished) -> None:
        run = trained.run
        assert repr(run) == f"Run({run.id!r}, completed)"


class TestSweeps:
    def test_every_trial_is_a_run_with_metrics_and_a_model(self, swept: Finished) -> None:
        run = swept.run
        assert run.status is RunStatus.COMPLETED
        children = run.children()
        assert len(children) == 3
        for child in children:
            assert child.status is RunStatus.COMPLETED
            assert child.metrics().latest["accuracy"] > 0.7
            assert "outputs/sklearn_mnist_model.pkl" in child.files()

    def test_the_best_trial_is_chosen_on_validation_images_and_scored_on_the_test_images(self, swept: Finished) -> None:
        run = swept.run
        result = run.result(LIMIT)
        best = run.best
        assert best is not None
        validation = [child.metrics().latest["accuracy"] for child in run.children()]
        assert best.metrics().latest["accuracy"] == max(validation) == result.metrics["best_accuracy"]
        assert result.metrics["best_regularization"] in SWEEP.regularization
        test = mnistlib.load_dataset("digits").test
        answers = mnistlib.load_model(result.model_path).predict(test.images)
        assert np.mean(answers == test.labels) == result.metrics["accuracy"]

    def test_the_goal_can_be_to_minimize(self, backend: Backend) -> None:
        job = SweepJob(base=TRAIN, regularization=[0.1, 10.0], goal="minimize")
        run = backend.submit(job)
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        values = [child.metrics().latest["accuracy"] for child in run.children()]
        assert run.best is not None
        assert run.best.metrics().latest["accuracy"] == min(values)

    def test_a_sweep_runs_with_other_solvers(self, backend: Backend) -> None:
        base = TrainJob(dataset="digits", solver="lbfgs", tol=1e-1)
        run = backend.submit(SweepJob(base=base, regularization=[1.0, 10.0]))
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        assert [child.status for child in run.children()] == [RunStatus.COMPLETED] * 2

    def test_a_sweep_fails_if_all_trials_fail(self, backend: Backend) -> None:
        run = backend.submit(SweepJob(base=TrainJob(dataset="nowhere"), regularization=[1.0, 2.0]))
        with pytest.raises(JobFailedError, match="all 2 trials failed; error of the first: 'nowhere'"):
            run.result(LIMIT)
        assert [child.status for child in run.children()] == [RunStatus.FAILED] * 2
        assert run.best is None

    def test_resuming_keeps_completed_trials(self, backend: Backend) -> None:
        first = backend.submit(SweepJob(base=TRAIN, regularization=[0.1, 1.0]))
        first.wait(LIMIT)
        again = backend.submit(SWEEP, resume=True)
        assert again.wait(LIMIT) is RunStatus.COMPLETED
        assert [child.id for child in again.children()][:2] == [child.id for child in first.children()]
        assert again.children()[2].id not in {child.id for child in first.children()}

    def test_resuming_a_completed_sweep_chooses_the_best_and_trains_nothing(self, swept: Finished) -> None:
        again = swept.backend.submit(SWEEP, resume=True, register_as="again")
        assert again.result(LIMIT).metrics["accuracy"] == swept.run.result(LIMIT).metrics["accuracy"]
        assert [child.id for child in again.children()] == [child.id for child in swept.run.children()]
        assert again.best is not None
        until(lambda: swept.backend.models.list("again"))

    def test_cancelling_a_sweep_cancels_its_trials(self, backend: Backend, tmp_path: Path) -> None:
        run = backend.submit(SweepJob(base=endless_training(tmp_path), regularization=[1e-9, 2e-9]))
        until(run.metrics)
        run.cancel()
        assert run.wait(LIMIT) is RunStatus.CANCELLED
        assert {child.status for child in run.children()} == {RunStatus.CANCELLED}


class TestScripts:
    def test_a_script_has_arguments_environment_and_outputs(self, backend: Backend, source: Path) -> None:
        job = script(
            source,
            "import os, pathlib, sys\nprint(sys.argv[1:], os.environ['COLOUR'])\n"
            "pathlib.Path('outputs/deep').mkdir()\npathlib.Path('outputs/deep/a.txt').write_text('x')\n",
            arguments=["--penalty", 1.5],
            environment={"COLOUR": "blue"},
        )
        run = backend.submit(job)
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        assert "['--penalty', '1.5'] blue" in run.logs()
        assert "outputs/deep/a.txt" in run.files()

    def test_metrics_of_a_script_are_recorded(self, backend: Backend, source: Path) -> None:
        job = script(
            source,
            "import mnistlib\nrun = mnistlib.current_run()\n"
            "for value in (3, 2):\n    run.log_metric('loss', value)\nrun.log_metric('accuracy', 0.5, step=7)\n",
        )
        run = backend.submit(job)
        run.wait(LIMIT)
        assert dict(run.metrics()) == {"loss": [(0, 3.0), (1, 2.0)], "accuracy": [(7, 0.5)]}

    def test_a_script_imports_modules_beside_it_and_leaves_the_source_folder_unchanged(
        self, backend: Backend, source: Path
    ) -> None:
        (source / "helper.py").write_text("WORD = 'found'\n")
        run = backend.submit(script(source, "import helper\nprint(helper.WORD)\nopen('new', 'w')\n"))
        run.wait(LIMIT)
        assert "found" in run.logs()
        assert sorted(path.name for path in source.iterdir()) == ["helper.py", "train.py"]

    def test_a_missing_script_fails_with_advice(self, backend: Backend, source: Path) -> None:
        run = backend.submit(ScriptJob(script="absent.py", source_directory=str(source)))
        with pytest.raises(JobFailedError, match=r"no script absent\.py .*source_directory"):
            run.result(LIMIT)
