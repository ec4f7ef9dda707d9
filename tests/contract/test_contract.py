"""What every backend owes, in one suite: it asks nothing of a backend but what ``Backend`` and ``Run`` say.

Scripts stand in for long jobs: they say when they have begun and go on until they are told, so nothing here sleeps
and hopes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest

import mnistlib
from mnistlib import (
    DataError,
    JobCancelledError,
    JobFailedError,
    ModelError,
    ModelNotFoundError,
    RunNotFoundError,
    RunStateError,
    ScriptFailedError,
    ScriptJob,
    SweepJob,
    TrainJob,
)
from mnistlib.backends import Backend
from mnistlib.runs import Run, RunStatus

from .conftest import SWEEP, TRAIN, Finished, Subject

LIMIT = 120  # seconds that anything here may take before it counts as hanging
ORDER = [RunStatus.QUEUED, RunStatus.PREPARING, RunStatus.RUNNING]


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so; fail when it takes too long."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)  # each look at a cluster is several requests


def script(source: Path, text: str, **options: object) -> ScriptJob:
    (source / "train.py").write_text(text)
    return ScriptJob(script="train.py", source_directory=str(source), **options)  # type: ignore[arg-type] # few options


def endless(source: Path) -> ScriptJob:
    return script(source, "import time\nprint('begun')\nwhile True:\n    time.sleep(0.01)\n")


def begun(run: Run) -> Run:
    until(lambda: "begun" in run.logs().splitlines())
    return run


class TestTraining:
    def test_submit_returns_a_run_at_once_that_completes(self, backend: Backend) -> None:
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
        assert before == [status for status in ORDER if status in before]

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

    def test_files_are_named_and_downloaded(self, trained: Finished, tmp_path: Path) -> None:
        run = trained.run
        names = ["outputs/model.json", "outputs/sklearn_mnist_model.pkl"]
        assert set(names) <= set(run.files())
        assert run.download(tmp_path / "here", names) == [tmp_path / "here" / name for name in names]
        assert mnistlib.load_model(tmp_path / "here/outputs").description is not None
        assert {"job.json", *names} <= {
            path.relative_to(tmp_path / "all").as_posix() for path in run.download(tmp_path / "all")
        }

    def test_downloading_what_is_not_there_names_what_is(self, trained: Finished, tmp_path: Path) -> None:
        run = trained.run
        with pytest.raises(FileNotFoundError, match=r"no file 'model\.onnx'; it has .*model\.json"):
            run.download(tmp_path / "here", ["model.onnx"])

    def test_logs_tell_what_happened(self, trained: Finished) -> None:
        assert "fitting 1442 images" in trained.run.logs()

    def test_output_is_shown_while_waiting(self, backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
        run = backend.submit(TRAIN)
        run.wait(LIMIT, show_output=True)
        assert "fitting 1442 images" in capsys.readouterr().err

    def test_the_same_job_gives_the_same_coefficients(self, trained: Finished) -> None:
        results = trained.run.result(LIMIT), trained.backend.run(TRAIN)
        first, second = (joblib.load(result.model_path) for result in results)
        assert first.coef_.tobytes() == second.coef_.tobytes()

    def test_validation_scores_training_images_that_were_held_out(self, backend: Backend) -> None:
        run = backend.submit(TrainJob(dataset="digits", tol=1e-2, validation=0.25))
        run.wait(LIMIT)
        assert "fitting 1082 images" in run.logs()
        assert "on 360 images" in run.logs()

    def test_the_text_form_is_short(self, trained: Finished) -> None:
        run = trained.run
        assert repr(run) == f"Run({run.id!r}, completed)"


class TestFailure:
    def test_it_raises_one_class_with_the_original_as_cause_and_the_log_in_the_message(self, backend: Backend) -> None:
        run = backend.submit(TrainJob(dataset="nowhere"))
        with pytest.raises(JobFailedError, match="'nowhere' is neither a data set") as caught:
            run.result(LIMIT)
        assert run.status is RunStatus.FAILED
        assert run.id in str(caught.value)
        assert isinstance(caught.value.__cause__, DataError | None)

    def test_a_script_that_fails_fails_its_run_and_its_last_words_are_in_the_message(
        self, backend: Backend, source: Path
    ) -> None:
        run = backend.submit(script(source, "import sys\nprint('last words')\nsys.exit(3)\n"))
        with pytest.raises(JobFailedError, match="exit status 3") as caught:
            run.result(LIMIT)
        assert "last words" in str(caught.value)
        assert isinstance(caught.value.__cause__, ScriptFailedError | None)

    def test_the_same_error_comes_to_a_handle_from_another_process(self, subject: Subject) -> None:
        run = subject.backend.submit(TrainJob(dataset="nowhere"))
        run.wait(LIMIT)
        code = f"""
import mnistlib
try:
    {subject.expression}.attach({run.id!r}).result({LIMIT})
except mnistlib.JobFailedError as error:
    print(error.reason)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "'nowhere' is neither a data set" in done.stdout

    def test_files_and_logs_of_a_failed_run_are_kept(self, backend: Backend, source: Path) -> None:
        run = backend.submit(script(source, "open('outputs/part.txt', 'w').write('some')\nraise SystemExit(1)\n"))
        assert run.wait(LIMIT) is RunStatus.FAILED
        assert "outputs/part.txt" in run.files()


class TestCancel:
    def test_a_running_script_is_stopped(self, backend: Backend, source: Path) -> None:
        run = begun(backend.submit(endless(source)))
        run.cancel()
        assert run.wait(LIMIT) is RunStatus.CANCELLED
        with pytest.raises(JobCancelledError, match=f"run {run.id} was cancelled"):
            run.result()

    def test_whatever_a_script_has_started_is_stopped_with_it(self, backend: Backend, source: Path) -> None:
        job = script(
            source,
            "import subprocess, sys, pathlib\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(10_000)'])\n"
            "pathlib.Path('outputs/pid').write_text(str(child.pid))\n"
            "print('begun')\n"
            "child.wait()\n",
        )
        run = begun(backend.submit(job))
        (pid,) = run.download(source.parent / "pid", ["outputs/pid"])
        run.cancel()
        run.wait(LIMIT)
        until(lambda: not Path("/proc", pid.read_text()).exists() or _is_zombie(int(pid.read_text())))

    def test_a_queued_run_never_begins(self, backend: Backend, source: Path) -> None:
        first = begun(backend.submit(endless(source)))
        second = backend.submit(TRAIN)
        second.cancel()
        first.cancel()
        assert second.wait(LIMIT) is RunStatus.CANCELLED
        assert "outputs/sklearn_mnist_model.pkl" not in second.files()

    def test_a_fit_stops_and_keeps_the_best_model_so_far_marked(self, backend: Backend, tmp_path: Path) -> None:
        run = backend.submit(_endless_training(tmp_path))
        until(lambda: "objective" in run.metrics())
        run.cancel()
        assert run.wait(LIMIT) is RunStatus.CANCELLED
        assert run.metrics().latest["converged"] == 0
        assert "outputs/sklearn_mnist_model.pkl" in run.files()

    def test_another_process_can_cancel(self, subject: Subject, source: Path) -> None:
        run = begun(subject.backend.submit(endless(source)))
        code = f"import mnistlib; {subject.expression}.attach({run.id!r}).cancel()"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert run.wait(LIMIT) is RunStatus.CANCELLED

    def test_cancelling_what_has_ended_changes_nothing(self, trained: Finished) -> None:
        run = trained.run
        run.cancel()
        assert run.status is RunStatus.COMPLETED


class TestWaiting:
    def test_a_timeout_is_an_error_that_harms_nothing(self, backend: Backend, source: Path) -> None:
        run = begun(backend.submit(endless(source)))
        with pytest.raises(TimeoutError, match=f"run {run.id} is still running"):
            run.wait(0.05)
        with pytest.raises(TimeoutError):
            run.result(0.05)
        assert run.status is RunStatus.RUNNING
        run.cancel()
        run.wait(LIMIT)

    def test_logs_are_followed_live_to_the_end(self, backend: Backend, source: Path) -> None:
        job = script(
            source,
            "import pathlib, time\nprint('one')\n"
            "while not pathlib.Path('outputs/go').exists():\n    time.sleep(0.01)\nprint('two')\n",
        )
        run = backend.submit(job)
        lines = iter(run.follow_logs())
        assert any(line == "one" for line in lines)
        assert run.status is RunStatus.RUNNING
        run.cancel()
        assert "two" not in list(lines)


class TestScripts:
    def test_arguments_environment_and_outputs(self, backend: Backend, source: Path) -> None:
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

    def test_metrics_that_a_script_logs(self, backend: Backend, source: Path) -> None:
        job = script(
            source,
            "import mnistlib\nrun = mnistlib.current_run()\n"
            "for value in (3, 2):\n    run.log_metric('loss', value)\nrun.log_metric('accuracy', 0.5, step=7)\n",
        )
        run = backend.submit(job)
        run.wait(LIMIT)
        assert dict(run.metrics()) == {"loss": [(0, 3.0), (1, 2.0)], "accuracy": [(7, 0.5)]}

    def test_modules_beside_the_script_are_there_and_the_source_folder_is_left_alone(
        self, backend: Backend, source: Path
    ) -> None:
        (source / "helper.py").write_text("WORD = 'found'\n")
        run = backend.submit(script(source, "import helper\nprint(helper.WORD)\nopen('new', 'w')\n"))
        run.wait(LIMIT)
        assert "found" in run.logs()
        assert sorted(path.name for path in source.iterdir()) == ["helper.py", "train.py"]

    def test_a_script_that_is_not_there_fails_with_advice(self, backend: Backend, source: Path) -> None:
        run = backend.submit(ScriptJob(script="absent.py", source_directory=str(source)))
        with pytest.raises(JobFailedError, match=r"no script absent\.py .*source_directory"):
            run.result(LIMIT)


class TestSweeps:
    def test_every_trial_is_a_run_with_metrics_and_model(self, swept: Finished) -> None:
        run = swept.run
        assert run.status is RunStatus.COMPLETED
        children = run.children()
        assert len(children) == 3
        for child in children:
            assert child.status is RunStatus.COMPLETED
            assert child.metrics().latest["accuracy"] > 0.7
            assert "outputs/sklearn_mnist_model.pkl" in child.files()

    def test_the_best_is_found_on_validation_and_scored_on_the_test_once(self, swept: Finished) -> None:
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

    def test_the_goal_may_be_to_minimize(self, backend: Backend) -> None:
        job = SweepJob(base=TRAIN, regularization=[0.1, 10.0], goal="minimize")
        run = backend.submit(job)
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        values = [child.metrics().latest["accuracy"] for child in run.children()]
        assert run.best is not None
        assert run.best.metrics().latest["accuracy"] == min(values)

    def test_other_solvers_are_swept_too(self, backend: Backend) -> None:
        base = TrainJob(dataset="digits", solver="lbfgs", tol=1e-1)
        run = backend.submit(SweepJob(base=base, regularization=[1.0, 10.0]))
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        assert [child.status for child in run.children()] == [RunStatus.COMPLETED] * 2

    def test_a_sweep_whose_children_all_fail_fails(self, backend: Backend) -> None:
        run = backend.submit(SweepJob(base=TrainJob(dataset="nowhere"), regularization=[1.0, 2.0]))
        with pytest.raises(JobFailedError, match="all 2 trials failed, the first because: 'nowhere'"):
            run.result(LIMIT)
        assert [child.status for child in run.children()] == [RunStatus.FAILED] * 2
        assert run.best is None

    def test_resuming_does_not_redo_what_has_completed(self, backend: Backend) -> None:
        first = backend.submit(SweepJob(base=TRAIN, regularization=[0.1, 1.0]))
        first.wait(LIMIT)
        again = backend.submit(SWEEP, resume=True)
        assert again.wait(LIMIT) is RunStatus.COMPLETED
        assert [child.id for child in again.children()][:2] == [child.id for child in first.children()]
        assert again.children()[2].id not in {child.id for child in first.children()}

    def test_resuming_what_is_all_done_chooses_again_and_trains_nothing(self, swept: Finished) -> None:
        again = swept.backend.submit(SWEEP, resume=True, register_as="again")
        assert again.result(LIMIT).metrics["accuracy"] == swept.run.result(LIMIT).metrics["accuracy"]
        assert [child.id for child in again.children()] == [child.id for child in swept.run.children()]
        assert again.best is not None
        until(lambda: swept.backend.models.list("again"))

    def test_a_cancelled_sweep_cancels_its_children(self, backend: Backend, tmp_path: Path) -> None:
        run = backend.submit(SweepJob(base=_endless_training(tmp_path), regularization=[1e-9, 2e-9]))
        until(run.metrics)
        run.cancel()
        assert run.wait(LIMIT) is RunStatus.CANCELLED
        assert {child.status for child in run.children()} == {RunStatus.CANCELLED}


class TestAttaching:
    def test_another_process_sees_the_same_run(self, trained: Finished) -> None:
        run = trained.run
        code = (
            f"import mnistlib; run = {trained.expression}.attach({run.id!r}); "
            "print(run.experiment, run.status, run.metrics().latest['accuracy'], len(run.files()))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        accuracy = run.metrics().latest["accuracy"]
        assert done.stdout == f"{run.experiment} completed {accuracy} {len(run.files())}\n"

    def test_also_while_it_runs(self, subject: Subject, source: Path) -> None:
        run = begun(subject.backend.submit(endless(source)))
        code = (
            f"import mnistlib; run = {subject.expression}.attach({run.id!r}); print(run.status, 'begun' in run.logs())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        run.cancel()
        run.wait(LIMIT)
        assert done.stdout == "running True\n"

    def test_an_unknown_id_is_refused(self, backend: Backend) -> None:
        with pytest.raises(RunNotFoundError, match="no run 'nosuch'"):
            backend.attach("nosuch")

    def test_runs_are_listed_newest_first(self, trained: Finished, source: Path) -> None:
        run = trained.backend.submit(script(source, "print('done')\n"))
        assert [known.id for known in trained.backend.runs()] == [run.id, trained.run.id]
        run.cancel()


class TestRegistry:
    def test_a_registered_model_is_got_back_by_name_and_answers_as_it_did(self, trained: Finished) -> None:
        run = trained.run
        result = run.result(LIMIT)
        version = run.register_model("sklearn_mnist", description="the first", tags={"by": "me"})
        assert (version.name, version.version, version.run_id) == ("sklearn_mnist", 1, run.id)
        known = trained.backend.models.get("sklearn_mnist")
        assert (known.sha256, known.description, dict(known.tags)) == (version.sha256, "the first", {"by": "me"})
        assert known.metrics["accuracy"] == result.metrics["accuracy"]
        test = mnistlib.load_dataset("digits").test
        assert np.mean(known.load().predict(test.images) == test.labels) == result.metrics["accuracy"]

    def test_versions_count_up_from_1_and_no_number_comes_twice(self, trained: Finished) -> None:
        run = trained.run
        assert [run.register_model("m").version for _ in range(3)] == [1, 2, 3]
        trained.backend.models.delete("m", 3)
        assert run.register_model("m").version == 4
        assert sorted(known.version for known in trained.backend.models.list("m")) == [1, 2, 4]
        assert trained.backend.models.get("m").version == 4
        assert trained.backend.models.get("m", 2).version == 2

    def test_a_model_is_downloaded(self, trained: Finished, tmp_path: Path) -> None:
        run = trained.run
        run.register_model("m")
        path = trained.backend.models.download("m", None, tmp_path / "copy")
        assert mnistlib.load_model(path).description is not None

    def test_a_model_that_is_not_there_is_refused_with_what_there_is(self, trained: Finished) -> None:
        run = trained.run
        run.register_model("mine")
        with pytest.raises(ModelNotFoundError, match="mine"):
            trained.backend.models.get("yours")
        with pytest.raises(ModelNotFoundError, match="7"):
            trained.backend.models.get("mine", 7)

    @pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "x" * 256])
    def test_names_follow_azure_mls_rule(self, trained: Finished, name: str) -> None:
        run = trained.run
        with pytest.raises(ModelError, match="name"):
            run.register_model(name)

    def test_a_run_that_failed_has_nothing_to_register(self, backend: Backend) -> None:
        run = backend.submit(TrainJob(dataset="nowhere"))
        run.wait(LIMIT)
        with pytest.raises(RunStateError, match="failed"):
            run.register_model("m")

    def test_a_job_registers_its_model_itself_when_it_has_completed(self, backend: Backend) -> None:
        run = backend.submit(TRAIN, register_as="itself")
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        until(lambda: backend.models.list("itself"))
        known = backend.models.get("itself")
        assert known.sha256 == run.register_model("by_hand").sha256
        assert known.metrics["accuracy"] == run.metrics().latest["accuracy"]

    def test_a_name_that_no_model_may_have_is_refused_before_anything_runs(self, backend: Backend) -> None:
        with pytest.raises(ModelError, match="name"):
            backend.submit(TRAIN, register_as="a b")
        assert backend.runs() == []

    def test_of_a_sweep_the_best_model_is_registered(self, swept: Finished) -> None:
        run = swept.run
        assert run.best is not None
        assert run.register_model("sweep").sha256 == run.best.register_model("child").sha256


class TestPlanning:
    def test_a_plan_says_what_would_be_done_and_does_nothing(self, backend: Backend) -> None:
        plan = backend.plan(TRAIN)
        assert plan.steps
        assert all(step in str(plan) for step in plan.steps)
        assert backend.runs() == []

    def test_records_tell_what_is_known_of_all_runs(self, backend: Backend) -> None:
        run = backend.submit(TRAIN, experiment="mine", name="first", tags={"by": "me"})
        run.wait(LIMIT)
        (record,) = backend.records()
        assert (record.run_id, record.experiment, record.job_type) == (run.id, "mine", "train")
        assert (record.name, dict(record.tags), record.status) == ("first", {"by": "me"}, RunStatus.COMPLETED)
        assert dict(record.metrics) == run.metrics().latest == dict(run.record.metrics)

    def test_a_run_can_be_brought_here(self, trained: Finished) -> None:
        run = trained.run
        assert mnistlib.load_model(run.local_folder() / "outputs").description is not None


class TestConcurrency:
    def test_jobs_submitted_at_once_all_complete_under_different_ids(self, backend: Backend) -> None:
        runs = [backend.submit(TRAIN) for _ in range(4)]
        assert {run.wait(LIMIT) for run in runs} == {RunStatus.COMPLETED}
        assert len({run.id for run in runs}) == 4

    def test_two_processes_lose_nothing(self, subject: Subject) -> None:
        code = (
            f"import mnistlib; backend = {subject.expression}; job = mnistlib.TrainJob(dataset='digits', tol=0.1)\n"
            "print(*(backend.submit(job).id for _ in range(2)))"
        )
        processes = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
            for _ in range(2)
        ]
        ids = [name for process in processes for name in process.communicate(timeout=LIMIT)[0].split()]
        assert len(set(ids)) == 4
        assert {subject.backend.attach(name).wait(LIMIT) for name in ids} == {RunStatus.COMPLETED}


def _endless_training(folder: Path) -> TrainJob:
    """A fit that takes minutes: many images of noise, a hopeless tolerance."""
    generator = np.random.default_rng(0)
    data = folder / "noise"
    data.mkdir()
    for which, count in (("train", 20_000), ("test", 10)):
        mnistlib.write_idx(data / f"{which}-images", generator.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        mnistlib.write_idx(data / f"{which}-labels", (np.arange(count) % 10).astype(np.uint8))
    return TrainJob(dataset=str(data), regularization=1e-9, tol=1e-300, max_iter=10**9)


def _is_zombie(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
