import json
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mnistlib import JobError, RunNotFoundError, RunStateError
from mnistlib.runs import RunRecord, RunStatus, RunStore
from mnistlib.runs.record import now
from mnistlib.runs.store import new_run_id


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def make_run(store: RunStore, experiment: str = "default") -> Path:
    return store.create("{}", job_type="train", experiment=experiment)


def set_status(folder: Path, status: RunStatus, **changes: object) -> None:
    content = json.loads((folder / "run.json").read_bytes()) | {"status": status} | changes
    (folder / "run.json").write_text(json.dumps(content))


def in_another_process(code: str, *arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


RUNNING = """
import sys, pathlib
from dataclasses import replace
from mnistlib.runs import *
store = RunStore(pathlib.Path(sys.argv[1]))
folder = store.create("{}", job_type="train", experiment="default")
replace(RunRecord.read(folder), status=RunStatus.RUNNING).write(folder)
print(folder, flush=True)
sys.stdin.readline()
"""


def test_ids_differ_and_sort_by_time() -> None:
    ids = [new_run_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert [run_id[:15] for run_id in ids] == sorted(run_id[:15] for run_id in ids)


def test_a_new_run_is_queued_and_whole(store: RunStore) -> None:
    folder = store.create('{"type": "train"}', job_type="train", experiment="mine", name="n", tags={"a": "b"})
    record = store.read(folder)
    assert (record.status, record.experiment, record.name, record.tags) == ("queued", "mine", "n", {"a": "b"})
    assert (folder / "job.json").read_text() == '{"type": "train"}'
    assert [path.name for path in folder.parent.iterdir()] == [record.run_id]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "-a", "é", "x" * 256])
def test_an_invalid_name_of_an_experiment_is_refused(store: RunStore, name: str) -> None:
    with pytest.raises(JobError, match="experiment's name"):
        make_run(store, name)


def test_a_record_survives_the_disk_unchanged(tmp_path: Path) -> None:
    record = RunRecord(
        run_id="a",
        experiment="e",
        job_type="sweep",
        status=RunStatus.RUNNING,
        process="p",
        created=now(),
        tags={"k": "v"},
        children=("b", "c"),
        metrics={"accuracy": 0.5},
        converged=True,
    )
    record.write(tmp_path)
    assert RunRecord.read(tmp_path) == record


def test_a_run_is_found_by_its_id_in_any_experiment_and_by_its_folder(store: RunStore) -> None:
    folder = make_run(store, "mine")
    assert store.find(folder.name) == store.find(folder) == store.find(str(folder)) == folder


@pytest.mark.parametrize("name", ["a2", "*", "default", ".processes", "", "a1/outputs"])
def test_an_unknown_run_is_refused_with_the_searched_folder(store: RunStore, name: str) -> None:
    make_run(store)
    with pytest.raises(RunNotFoundError, match="no run") as caught:
        store.find(name)
    assert str(store.folder) in str(caught.value)


def test_the_runs_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTLIB_RUNS", str(tmp_path / "elsewhere"))
    assert RunStore().folder == tmp_path / "elsewhere"


def test_records_are_listed_newest_first_and_other_folders_are_skipped(store: RunStore) -> None:
    folders = [make_run(store, experiment) for experiment in ("one", "two", "one")]
    for number, folder in enumerate(folders):
        set_status(folder, RunStatus.COMPLETED, created=f"2026-01-0{number + 1}T00:00:00.000+00:00")
    (store.folder / "one" / "notes.txt").write_text("mine")
    (store.folder / "one" / "folder").mkdir()
    (store.folder / "file").write_text("mine")
    assert [record.run_id for record in store.records()] == [folder.name for folder in reversed(folders)]


def test_a_missing_folder_has_no_records(store: RunStore) -> None:
    assert store.records() == []


def test_the_record_of_a_running_process_is_returned_unchanged(store: RunStore) -> None:
    process = in_another_process(RUNNING, store.folder)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert store.read(folder).status is RunStatus.RUNNING
    process.communicate("done\n", timeout=60)


def test_a_run_of_a_killed_process_has_failed(store: RunStore) -> None:
    process = in_another_process(RUNNING, store.folder)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    process.kill()
    process.communicate(timeout=60)
    record = store.read(folder)
    assert (record.status, record.error) == (RunStatus.FAILED, "the process that ran it ended before the run did")
    assert store.records() == [record]


def test_a_run_of_a_process_killed_after_a_request_to_cancel_is_cancelled(store: RunStore) -> None:
    process = in_another_process(RUNNING, store.folder)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (folder / "cancel").touch()
    assert store.read(folder).status is RunStatus.RUNNING
    process.kill()
    process.communicate(timeout=60)
    assert store.read(folder).status is RunStatus.CANCELLED


def test_another_store_of_the_same_process_sees_its_runs_alive(store: RunStore) -> None:
    folder = make_run(store)
    assert RunStore(store.folder).read(folder).status is RunStatus.QUEUED


def test_a_run_that_has_ended_is_deleted_whole(store: RunStore) -> None:
    folder = make_run(store)
    set_status(folder, RunStatus.COMPLETED)
    store.delete(folder)
    assert list(folder.parent.iterdir()) == []


def test_a_run_that_has_not_ended_is_not_deleted(store: RunStore) -> None:
    folder = make_run(store)
    with pytest.raises(RunStateError, match=f"run {folder.name} is queued: cancel it before deleting it"):
        store.delete(folder)
    assert folder.exists()


def test_many_who_look_at_a_dead_run_at_once_all_see_that_it_failed(store: RunStore) -> None:
    process = in_another_process(RUNNING, store.folder)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    process.kill()
    process.communicate(timeout=60)
    with ThreadPoolExecutor(4) as readers:
        seen = list(readers.map(lambda _: RunStore(store.folder).read(folder).status, range(200)))
    assert set(seen) == {RunStatus.FAILED}


def test_threads_that_submit_first_at_once_do_not_wait_for_each_other_for_ever(tmp_path: Path) -> None:
    for number in range(5):
        store = RunStore(tmp_path / str(number))
        with ThreadPoolExecutor(8) as threads:
            folders = list(threads.map(lambda _, store=store: make_run(store), range(8)))
        assert len(set(folders)) == 8


def test_a_record_of_a_newer_version_is_read_as_far_as_it_is_known(store: RunStore) -> None:
    folder = make_run(store)
    set_status(folder, RunStatus.COMPLETED, colour="blue")
    assert store.records()[0].status is RunStatus.COMPLETED


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"status": "lost"}'])
def test_a_damaged_record_hides_no_other(store: RunStore, text: str, caplog: pytest.LogCaptureFixture) -> None:
    damaged, good = make_run(store), make_run(store)
    (damaged / "run.json").write_text(text)
    assert [record.run_id for record in store.records()] == [good.name]
    assert str(damaged) in caplog.text
    with pytest.raises(RunStateError, match="is not a valid record of a run"):
        store.read(damaged)


def test_runs_are_found_after_the_process_went_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = RunStore(Path("runs"))
    folder = make_run(store)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert store.read(folder).status is RunStatus.QUEUED
    assert len(store.records()) == 1


WRITING = """
import sys, pathlib
from dataclasses import replace
from mnistlib.runs import *
store = RunStore(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
while True:
    folder = store.create("{}", job_type="train", experiment="default", tags={"padding": "x" * 5000})
    context = RunContext(folder)
    record = replace(RunRecord.read(folder), status=RunStatus.RUNNING)
    record.write(folder)
    for value in range(5):
        context.log_metric("loss", value)
    context.publish_metrics()
    replace(record, status=RunStatus.COMPLETED, metrics=context.metrics).write(folder)
"""


def test_a_process_killed_at_any_instant_leaves_records_that_all_read_back(store: RunStore) -> None:
    generator = random.Random(0)
    running_seen = 0
    for _ in range(100):
        process = in_another_process(WRITING, store.folder)
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):  # a random moment, and by then it is in mid-write
            process.wait(generator.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    folders = [path for path in (store.folder / "default").iterdir() if not path.name.startswith(".")]
    records = store.records()
    assert len(records) == len(folders) > 100
    for record in records:
        running_seen += record.status is RunStatus.FAILED
        assert record.status in (RunStatus.COMPLETED, RunStatus.FAILED)
        assert json.loads((store.folder_of(record) / "job.json").read_bytes()) == {}
    assert running_seen


def test_two_processes_that_write_at_once_lose_nothing(store: RunStore) -> None:
    code = (
        "import sys, pathlib\nfrom mnistlib.runs import *\nstore = RunStore(pathlib.Path(sys.argv[1]))\n"
        "for _ in range(100): print(store.create('{}', job_type='train', experiment='default').name)"
    )
    processes = [in_another_process(code, store.folder) for _ in range(2)]
    ids = [name for process in processes for name in process.communicate(timeout=60)[0].split()]
    assert len(set(ids)) == 200
    assert {record.run_id for record in store.records()} == set(ids)
