"""Contract of a backend for runs: failure, cancellation, waiting, other processes, plans."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mnistlib
from mnistlib.backends import Backend
from mnistlib.errors import DataError, JobCancelledError, JobFailedError, RunNotFoundError, ScriptFailedError
from mnistlib.jobs import TrainJob
from mnistlib.runs import RunStatus
from mnistlib.testing.contract.subjects import (
    LIMIT,
    TRAIN,
    Finished,
    Subject,
    begun,
    endless,
    endless_training,
    script,
    until,
)


class TestFailure:
    def test_a_failed_run_raises_job_failed_error_with_the_original_as_cause(self, backend: Backend) -> None:
        run = backend.submit(TrainJob(dataset="nowhere"))
        with pytest.raises(JobFailedError, match="'nowhere' is neither a named data set") as caught:
            run.result(LIMIT)
        assert run.status is RunStatus.FAILED
        assert run.id in str(caught.value)
        assert isinstance(caught.value.__cause__, DataError | None)

    def test_the_error_of_a_failed_script_has_its_exit_status_and_last_output(
        self, backend: Backend, source: Path
    ) -> None:
        run = backend.submit(script(source, "import sys\nprint('last words')\nsys.exit(3)\n"))
        with pytest.raises(JobFailedError, match="exit status 3") as caught:
            run.result(LIMIT)
        assert "last words" in str(caught.value)
        assert isinstance(caught.value.__cause__, ScriptFailedError | None)

    def test_another_process_gets_the_same_error(self, subject: Subject) -> None:
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
        assert "'nowhere' is neither a named data set" in done.stdout

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

    def test_processes_started_by_a_script_are_stopped_with_it(self, backend: Backend, source: Path) -> None:
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

    def test_a_cancelled_queued_run_never_starts(self, backend: Backend, source: Path) -> None:
        first = begun(backend.submit(endless(source)))
        second = backend.submit(TRAIN)
        second.cancel()
        first.cancel()
        assert second.wait(LIMIT) is RunStatus.CANCELLED
        assert "outputs/sklearn_mnist_model.pkl" not in second.files()

    def test_a_cancelled_fit_keeps_its_best_model(self, backend: Backend, tmp_path: Path) -> None:
        run = backend.submit(endless_training(tmp_path))
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

    def test_cancelling_an_ended_run_changes_nothing(self, trained: Finished) -> None:
        run = trained.run
        run.cancel()
        assert run.status is RunStatus.COMPLETED


class TestWaiting:
    def test_a_timeout_is_an_error_and_the_run_goes_on(self, backend: Backend, source: Path) -> None:
        run = begun(backend.submit(endless(source)))
        with pytest.raises(TimeoutError, match=f"run {run.id} is still running"):
            run.wait(0.05)
        with pytest.raises(TimeoutError):
            run.result(0.05)
        assert run.status is RunStatus.RUNNING
        run.cancel()
        run.wait(LIMIT)

    def test_logs_are_followed_while_the_run_writes_them(self, backend: Backend, source: Path) -> None:
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

    def test_another_process_sees_a_running_run(self, subject: Subject, source: Path) -> None:
        run = begun(subject.backend.submit(endless(source)))
        code = (
            f"import mnistlib; run = {subject.expression}.attach({run.id!r}); print(run.status, 'begun' in run.logs())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        run.cancel()
        run.wait(LIMIT)
        assert done.stdout == "running True\n"

    def test_an_unknown_id_is_an_error(self, backend: Backend) -> None:
        with pytest.raises(RunNotFoundError, match="no run 'nosuch'"):
            backend.attach("nosuch")

    def test_runs_are_listed_newest_first(self, trained: Finished, source: Path) -> None:
        run = trained.backend.submit(script(source, "print('done')\n"))
        assert [known.id for known in trained.backend.runs()] == [run.id, trained.run.id]
        run.cancel()


class TestConcurrency:
    def test_concurrent_jobs_complete_with_different_ids(self, backend: Backend) -> None:
        runs = [backend.submit(TRAIN) for _ in range(4)]
        assert {run.wait(LIMIT) for run in runs} == {RunStatus.COMPLETED}
        assert len({run.id for run in runs}) == 4

    def test_jobs_of_two_processes_all_complete(self, subject: Subject) -> None:
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


class TestPlanning:
    def test_a_plan_lists_steps_and_runs_nothing(self, backend: Backend) -> None:
        plan = backend.plan(TRAIN)
        assert plan.steps
        assert all(step in str(plan) for step in plan.steps)
        assert backend.runs() == []

    def test_records_have_the_description_status_and_metrics_of_a_run(self, backend: Backend) -> None:
        run = backend.submit(TRAIN, experiment="mine", name="first", tags={"by": "me"})
        run.wait(LIMIT)
        (record,) = backend.records()
        assert (record.run_id, record.experiment, record.job_type) == (run.id, "mine", "train")
        assert (record.name, dict(record.tags), record.status) == ("first", {"by": "me"}, RunStatus.COMPLETED)
        assert dict(record.metrics) == run.metrics().latest == dict(run.record.metrics)

    def test_a_run_is_downloaded_to_a_local_folder(self, trained: Finished) -> None:
        run = trained.run
        assert mnistlib.load_model(run.local_folder() / "outputs").description is not None


def _is_zombie(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
