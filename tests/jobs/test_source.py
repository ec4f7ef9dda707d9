"""Files of a source folder in a run: copied by the local backend, shipped by a backend on a cluster."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mnistlib import JobError, JobFailedError, LocalBackend, ScriptJob, TrainJob
from mnistlib.backends.azure.cluster_client import SHIPPING
from mnistlib.backends.cloud.staging import stage
from mnistlib.jobs.source import SOURCE, reading, walk_source
from mnistlib.runs import RunStore
from mnistlib.runs.store import OWN_FOLDERS

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False
AT_ONCE = 50
#: A name under which a run of another process is being made.
UNFINISHED = ".20261120-114604-0b60c1.0a6b15859a5ceb00.part"

Taken = Callable[[Path, Path], set[str]]


def copied(source: Path, runs_folder: Path) -> set[str]:
    """Return the names of the files that a run on the local backend gets."""
    run = LocalBackend(runs_folder).submit(ScriptJob(script="train.py", source_directory=str(source)))
    run.result(60)
    return {name.removeprefix("code/") for name in run.files() if name.startswith("code/")}


def shipped(source: Path, runs_folder: Path) -> set[str]:
    """Return the names of the files that a run on a cluster gets."""
    job = ScriptJob(script="train.py", source_directory=str(source))
    files = stage(job, rules=SHIPPING, runs_folder=runs_folder).files
    return {name.removeprefix(f"{SOURCE}/") for name in files if name.startswith(f"{SOURCE}/")}


both = pytest.mark.parametrize("taken", [copied, pytest.param(shipped, marks=pytest.mark.needs("pathspec"))])


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def put_run(runs_folder: Path) -> Path:
    """Put a run and one that is being made into a runs folder, with models, services and runs from elsewhere."""
    run = RunStore(runs_folder).create("{}", job_type="script", experiment="default")
    put(run.parent, f"{UNFINISHED}/job.json")
    put(runs_folder, *(f"{name}/content" for name in OWN_FOLDERS), "notes.txt")
    return run


def found(source: Path, *, runs_folder: Path | None = None, follow_links: bool = False) -> set[str]:
    walked = walk_source(source, runs_folder=runs_folder, follow_links=follow_links)
    return {(below / name).as_posix() for below, names in walked for name in names}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    put(tmp_path / "source", "train.py", "deep/helper.py")
    return tmp_path / "source"


def test_scripts_that_are_submitted_at_once_beside_their_runs_all_complete(source: Path) -> None:
    job = ScriptJob(script="train.py", source_directory=str(source))
    backends = [LocalBackend(source / "runs") for _ in range(10)]
    with ThreadPoolExecutor(len(backends)) as people:
        runs = list(people.map(lambda number: backends[number % len(backends)].submit(job), range(AT_ONCE)))
    for run in runs:
        run.wait(300)
    assert [run.record.error for run in runs if run.status != "completed"] == []


@both
@pytest.mark.parametrize("name", ["runs", "my results", "deep/er/runs", "outputs/runs"])
def test_a_runs_folder_in_a_source_folder_is_excluded(source: Path, name: str, taken: Taken) -> None:
    put_run(source / name)
    assert taken(source, source / name) == {"train.py", "deep/helper.py"}


@both
def test_a_runs_folder_of_another_backend_is_excluded(source: Path, taken: Taken) -> None:
    put_run(source / "deep/others")
    assert taken(source, source / "runs") == {"train.py", "deep/helper.py"}


@both
def test_a_runs_folder_is_known_before_it_holds_runs(source: Path, taken: Taken) -> None:
    put(source, "runs/notes.txt")
    assert taken(source, source / "runs") == {"train.py", "deep/helper.py"}


@both
def test_a_runs_folder_given_by_a_link_is_excluded(source: Path, taken: Taken) -> None:
    put(source, "results/notes.txt")
    (source.parent / "link").symlink_to(source / "results")
    assert taken(source, source.parent / "link") == {"train.py", "deep/helper.py"}


@both
def test_a_link_to_a_runs_folder_is_excluded(source: Path, tmp_path: Path, taken: Taken) -> None:
    put_run(tmp_path / "elsewhere")
    (source / "link").symlink_to(tmp_path / "elsewhere")
    assert taken(source, source / "link") == {"train.py", "deep/helper.py"}


@both
def test_a_source_folder_that_is_a_runs_folder_has_its_own_files_only(source: Path, taken: Taken) -> None:
    put_run(source)
    assert taken(source, source) == {"train.py", "deep/helper.py", "notes.txt"}


@both
def test_a_source_folder_that_is_a_runs_folder_of_another_backend_has_its_own_files_only(
    source: Path, tmp_path: Path, taken: Taken
) -> None:
    put_run(source)
    assert taken(source, tmp_path / "runs") == {"train.py", "deep/helper.py", "notes.txt"}


@both
def test_a_source_folder_inside_a_runs_folder_is_taken_whole(source: Path, tmp_path: Path, taken: Taken) -> None:
    put_run(tmp_path)
    assert taken(source, tmp_path) == {"train.py", "deep/helper.py"}


@both
def test_runs_are_excluded_if_the_folder_of_their_experiment_is_the_source_folder(tmp_path: Path, taken: Taken) -> None:
    experiment = put_run(tmp_path).parent
    put(experiment, "train.py")
    assert taken(experiment, tmp_path) == {"train.py"}


@both
def test_the_code_of_a_run_is_a_source_folder(source: Path, tmp_path: Path, taken: Taken) -> None:
    first = LocalBackend(tmp_path / "runs").run(ScriptJob(script="train.py", source_directory=str(source)))
    assert taken(first.path / "code", tmp_path / "runs") == {"train.py", "deep/helper.py"}


@both
def test_registered_models_are_excluded(source: Path, taken: Taken) -> None:
    LocalBackend(source).run(TrainJob(dataset="digits", tol=1e-1), register_as="digits")
    assert taken(source, source) == {"train.py", "deep/helper.py"}


@both
@pytest.mark.parametrize("name", OWN_FOLDERS[1:])
def test_folders_of_other_programs_keep_names_that_a_runs_folder_uses(source: Path, name: str, taken: Taken) -> None:
    put(source, f"deep/{name}/file")
    assert taken(source, source / "runs") == {"train.py", "deep/helper.py", f"deep/{name}/file"}


@both
def test_unfinished_files_are_excluded(source: Path, taken: Taken) -> None:
    put(source, ".model.pkl.5077-0b60c10b.part", "deep/.data.part/file")
    assert taken(source, source / "runs") == {"train.py", "deep/helper.py"}


@both
def test_outputs_of_runs_by_hand_are_excluded(source: Path, taken: Taken) -> None:
    put(source, "outputs/model.pkl", "deep/outputs/data.txt")
    assert taken(source, source / "runs") == {"train.py", "deep/helper.py", "deep/outputs/data.txt"}


@both
def test_broken_links_and_pipes_are_excluded(source: Path, taken: Taken) -> None:
    (source / ".#train.py").symlink_to("nobody@nowhere:1")  # as Emacs marks a file that is being edited
    os.mkfifo(source / "pipe")
    assert taken(source, source / "runs") == {"train.py", "deep/helper.py"}


def test_no_empty_folder_is_left_of_runs_in_a_copy(source: Path) -> None:
    put_run(source / "runs")
    result = LocalBackend(source / "runs").run(ScriptJob(script="train.py", source_directory=str(source)))
    assert {path.name for path in (result.path / "code").iterdir()} == {"train.py", "deep", "outputs"}


def test_empty_folders_are_copied(source: Path, tmp_path: Path) -> None:
    (source / "data").mkdir()
    result = LocalBackend(tmp_path).run(ScriptJob(script="train.py", source_directory=str(source)))
    assert (result.path / "code/data").is_dir()


def test_a_read_only_source_folder_is_copied(source: Path, tmp_path: Path) -> None:
    source.chmod(0o555)
    assert copied(source, tmp_path / "runs") == {"train.py", "deep/helper.py"}
    source.chmod(0o755)


def test_a_link_is_followed_where_that_is_asked_for(source: Path, tmp_path: Path) -> None:
    put(tmp_path, "data/digits.txt")
    (source / "link").symlink_to(tmp_path / "data")
    assert found(source, follow_links=True) == {"train.py", "deep/helper.py", "link/digits.txt"}
    assert found(source) == {"train.py", "deep/helper.py"}


def test_a_folder_that_goes_while_a_source_folder_is_read_is_left_out(source: Path) -> None:
    put(source, "passing/file")
    walked = walk_source(source)
    next(walked)
    shutil.rmtree(source / "passing")
    assert [below.as_posix() for below, _ in walked] == ["deep"]


def test_a_folder_that_becomes_a_file_while_a_source_folder_is_read_is_left_out(source: Path) -> None:
    walked = walk_source(source)
    next(walked)
    shutil.rmtree(source / "deep")
    put(source, "deep")
    assert list(walked) == []


@pytest.mark.parametrize("name", ["gone", "train.py/gone", "deep"])
def test_a_file_deleted_after_it_was_listed_is_skipped(source: Path, tmp_path: Path, name: str) -> None:
    with reading():
        shutil.copy2(source / name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.needs("pathspec")
def test_a_file_deleted_after_it_was_staged_is_not_shipped(source: Path, tmp_path: Path) -> None:
    shipment = stage(ScriptJob(script="train.py", source_directory=str(source)))
    (source / "deep/helper.py").unlink()
    shipment.write(tmp_path / "sent")
    assert {path.name for path in (tmp_path / "sent" / SOURCE).rglob("*.py")} == {"train.py"}
    assert f"{SOURCE}/deep/helper.py" not in shipment.sizes


def test_a_script_in_a_runs_folder_fails_with_advice(source: Path) -> None:
    put_run(source / "deep")
    run = LocalBackend(source / "deep").submit(ScriptJob(script="deep/helper.py", source_directory=str(source)))
    with pytest.raises(JobFailedError, match=r"deep/helper\.py is excluded from .*source_directory="):
        run.result(60)


@pytest.mark.needs("pathspec")
def test_a_script_in_a_runs_folder_is_not_sent(source: Path) -> None:
    with pytest.raises(JobError, match=r"deep/helper\.py is excluded from .*source_directory="):
        stage(ScriptJob(script="deep/helper.py", source_directory=str(source)), runs_folder=source / "deep")


@pytest.mark.needs("pathspec")
def test_a_script_that_an_ignore_file_names_is_not_sent(source: Path) -> None:
    (source / ".amlignore").write_text("*.py")
    with pytest.raises(JobError, match=r"train\.py is excluded from .*ignore file"):
        stage(ScriptJob(script="train.py", source_directory=str(source)), rules=SHIPPING)


@pytest.mark.skipif(ROOT, reason="root may read everything")
@pytest.mark.parametrize("name", ["deep", "deep/helper.py"])
def test_an_unreadable_file_or_folder_is_named(source: Path, name: str, tmp_path: Path) -> None:
    (source / name).chmod(0)
    run = LocalBackend(tmp_path / "runs").submit(ScriptJob(script="train.py", source_directory=str(source)))
    with pytest.raises(JobFailedError, match=rf"cannot read .*{name}: .*source_directory="):
        run.result(60)
    (source / name).chmod(0o755)


@pytest.mark.skipif(ROOT, reason="root may read everything")
@pytest.mark.needs("pathspec")
def test_a_folder_that_can_not_be_read_may_be_ignored(source: Path, tmp_path: Path) -> None:
    (source / ".amlignore").write_text("deep/")
    (source / "deep").chmod(0)
    assert shipped(source, tmp_path / "runs") == {"train.py"}
    (source / "deep").chmod(0o755)
