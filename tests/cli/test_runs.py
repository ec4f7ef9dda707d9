"""The commands about runs, in the installed script."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from mnistlib import LocalBackend, ScriptJob, TrainJob

from .test_cli import FAST, SCRIPT, one_line_of_error, run

SWEEP = ("sweep", "--dataset", "digits", "--regularization", "0.1,1,10")


@pytest.fixture
def run_ids() -> list[str]:
    backend = LocalBackend()
    jobs = [TrainJob(dataset="digits", regularization=value) for value in (0.5, 5.0)]
    return [backend.run(job, name=f"lambda {job.regularization}", tags={"by": "me"}).run_id for job in jobs]


def test_runs_lists_the_newest_first_in_a_table(run_ids: list[str]) -> None:
    title, *lines = run("runs").stdout.splitlines()
    assert title.split() == ["run", "name", "status", "job", "experiment", "accuracy", "age"]
    assert [line.split()[0] for line in lines] == run_ids[::-1]
    assert "lambda 5.0" in lines[0]
    assert "completed" in lines[0]


def test_runs_list_can_be_narrowed(run_ids: list[str]) -> None:
    run("train", *FAST, "--experiment", "other", "-q")
    assert len(run("runs", "list", "--experiment", "other").stdout.splitlines()) == 2
    assert len(run("runs", "list", "--count", "1").stdout.splitlines()) == 2
    assert len(json.loads(run("runs", "list", "--json").stdout)["runs"]) == len(run_ids) + 1


def test_a_table_fits_the_terminal(run_ids: list[str]) -> None:
    narrow = subprocess.run(
        [SCRIPT, "runs"], capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "60"}
    )
    assert len(narrow.stdout.splitlines()) == len(run_ids) + 1
    assert max(map(len, narrow.stdout.splitlines())) <= 60


def test_show_prints_all_that_is_known(run_ids: list[str]) -> None:
    text = run("runs", "show", run_ids[0]).stdout
    for word in ("lambda 0.5", "completed", "by=me", "accuracy", "outputs/model.json"):
        assert word in text
    assert json.loads(run("runs", "show", run_ids[0], "--json").stdout)["tags"] == {"by": "me"}


def test_show_prints_no_values_of_a_scripts_variables(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text("print('done')")
    job = ScriptJob("quick.py", source_directory=str(tmp_path), environment={"PASSWORD": "hidden"})
    text = run("runs", "show", LocalBackend().run(job).run_id).stdout
    assert "PASSWORD" in text
    assert "hidden" not in text


def test_compare_prints_the_differences(run_ids: list[str]) -> None:
    text = run("runs", "compare", *run_ids).stdout
    assert re.search(r"^regularization +0\.5 +5\.0$", text, re.MULTILINE)
    assert re.search(r"^accuracy +0\.\d+ +0\.\d+$", text, re.MULTILINE)
    assert "normalization" not in text
    compared = json.loads(run("runs", "compare", *run_ids, "--json").stdout)["runs"]
    assert [entry["job"] for entry in compared] == [{"regularization": 0.5}, {"regularization": 5.0}]


def test_logs_are_printed_and_followed_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import pathlib, time\nprint('begun')\n"
        "while not pathlib.Path('outputs/go').exists():\n    time.sleep(0.01)\nprint('ended')\n"
    )
    mine = LocalBackend().submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    process = subprocess.Popen([SCRIPT, "runs", "logs", "-f", mine.id], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any(line == "begun\n" for line in process.stdout)
    (mine.path / "outputs" / "go").touch()
    assert process.communicate(timeout=60)[0].endswith("ended\n")
    assert "begun\nended\n" in run("runs", "logs", mine.id).stdout


def test_a_run_of_another_process_is_cancelled(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    mine = LocalBackend().submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    assert run("runs", "cancel", mine.id).stdout == f"{mine.id}  cancellation requested\n"
    assert mine.wait(60) == "cancelled"
    assert run("runs", "cancel", mine.id).stdout == f"{mine.id}  already cancelled\n"


def test_ended_runs_are_deleted(run_ids: list[str]) -> None:
    run("runs", "delete", *run_ids)
    assert len(run("runs").stdout.splitlines()) == 1


def test_cancelled_and_deleted_runs_are_printed_as_json(run_ids: list[str]) -> None:
    told = json.loads(run("runs", "cancel", run_ids[0], "--json").stdout)
    assert told == {"runs": {run_ids[0]: "already completed"}}
    assert json.loads(run("runs", "delete", *run_ids, "--json").stdout) == {"deleted": run_ids}


def test_a_run_that_runs_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    mine = LocalBackend().submit(ScriptJob(script="train.py", source_directory=str(tmp_path)))
    assert "cancel it before deleting it" in one_line_of_error("runs", "delete", mine.id)
    mine.cancel()
    mine.wait(60)


def test_sweep_prints_each_trial_and_the_best() -> None:
    text = run(*SWEEP).stdout
    assert re.search(r"^ +0\.1 +\S+ +completed +0\.\d{4}", text, re.MULTILINE)
    assert len(re.findall(r" best$", text, re.MULTILINE)) == 1
    assert "on the test images" in text


def test_sweep_json_has_the_children_and_the_best() -> None:
    result = json.loads(run(*SWEEP, "--json").stdout)
    assert [child["regularization"] for child in result["children"]] == [0.1, 1.0, 10.0]
    assert result["best"] in {child["run_id"] for child in result["children"]}
    assert result["metrics"]["accuracy"] > 0.9


def test_the_model_of_a_sweep_is_its_best_and_can_be_evaluated() -> None:
    result = json.loads(run(*SWEEP, "--json").stdout)
    evaluation = json.loads(run("evaluate", result["run_id"], "--json").stdout)
    assert evaluation["accuracy"] == result["metrics"]["accuracy"]


def test_children_are_listed_on_request() -> None:
    run(*SWEEP, "-q")
    assert len(run("runs").stdout.splitlines()) == 2
    assert len(run("runs", "list", "--children").stdout.splitlines()) == 5


def test_a_sweep_is_resumed() -> None:
    first = json.loads(run(*SWEEP, "--json").stdout)
    again = json.loads(run(*SWEEP, "--json", "--resume").stdout)
    assert [child["run_id"] for child in again["children"]] == [child["run_id"] for child in first["children"]]


@pytest.mark.parametrize("values", ["", "1,x", "1,-1", "1,1"])
def test_bad_values_are_wrong_usage(values: str) -> None:
    assert run("sweep", "--dataset", "digits", "--regularization", values, check=False).returncode == 2


def test_name_and_tags_are_kept() -> None:
    result = json.loads(run("train", *FAST, "--json", "--tag", "a=b", "--tag", "c=", "--name", "x").stdout)
    record = json.loads(run("runs", "show", result["run_id"], "--json").stdout)
    assert (record["name"], record["tags"]) == ("x", {"a": "b", "c": ""})
