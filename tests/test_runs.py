from pathlib import Path

import pytest

from mnistlib import RunNotFoundError
from mnistlib.runs import RunContext, find_run, new_run_id, read_metrics


def make_run(runs: Path, run_id: str) -> Path:
    folder = runs / "default" / run_id
    folder.mkdir(parents=True)
    (folder / "job.json").write_text("{}")
    return folder


def test_ids_differ_and_sort_by_time() -> None:
    ids = [new_run_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert [run_id[:15] for run_id in ids] == sorted(run_id[:15] for run_id in ids)


def test_a_run_is_found_by_its_id_in_any_experiment(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a1")
    assert find_run("a1", runs_folder=tmp_path) == folder


def test_a_run_is_found_by_its_folder(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a1")
    assert find_run(folder) == folder
    assert find_run(str(folder)) == folder


def test_the_runs_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path / "elsewhere", "a1")
    monkeypatch.setenv("MNISTLIB_RUNS", str(tmp_path / "elsewhere"))
    assert find_run("a1") == folder


@pytest.mark.parametrize("name", ["a2", "*", "default", ".a1.part", "", "a1/outputs"])
def test_what_is_no_run_is_refused_with_where_it_was_looked_for(tmp_path: Path, name: str) -> None:
    make_run(tmp_path, "a1")
    with pytest.raises(RunNotFoundError, match="no run") as caught:
        find_run(name, runs_folder=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_the_last_value_of_a_metric_is_kept_on_disk_at_once(tmp_path: Path) -> None:
    context = RunContext(tmp_path)
    context.log_metric("loss", 2)
    context.log_metric("loss", 1)
    assert read_metrics(tmp_path) == context.metrics == {"loss": 1.0}


def test_what_is_logged_stands_in_the_log_with_its_time(tmp_path: Path) -> None:
    context = RunContext(tmp_path)
    context.log("first")
    context.log("second")
    lines = (tmp_path / "logs/run.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["first", "second"]
    assert all(line[10] == "T" and line[19] == "Z" for line in lines)


def test_an_output_path_lies_in_outputs_with_its_folder_made(tmp_path: Path) -> None:
    path = RunContext(tmp_path).output_path("deep/model.pkl")
    assert path == tmp_path / "outputs/deep/model.pkl"
    assert path.parent.is_dir()
