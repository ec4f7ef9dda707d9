import json
import logging
from pathlib import Path

import pytest

from mnistlib.runs import RunContext, current_run, read_metrics


def test_metrics_are_on_disk_as_soon_as_they_are_logged_with_steps_of_their_own(tmp_path: Path) -> None:
    context = RunContext(tmp_path)
    context.log_metric("loss", 2)
    context.log_metric("loss", 1)
    context.log_metric("accuracy", 0.5, step=7)
    assert read_metrics(tmp_path) == {"loss": [(0, 2.0), (1, 1.0)], "accuracy": [(7, 0.5)]}
    assert context.metrics == {"loss": 1.0, "accuracy": 0.5}


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    RunContext(tmp_path).log_metric("loss", 2)
    with (tmp_path / "metrics.jsonl").open("a") as lines:
        lines.write('{"name": "lo')
    assert read_metrics(tmp_path).latest == {"loss": 2.0}


def test_published_metrics_are_the_last_values(tmp_path: Path) -> None:
    context = RunContext(tmp_path)
    context.log_metric("loss", 2)
    context.log_metric("loss", 1)
    context.publish_metrics()
    assert json.loads((tmp_path / "metrics.json").read_bytes()) == {"loss": 1.0}


def test_a_run_is_cancelled_once_the_mark_is_there(tmp_path: Path) -> None:
    context = RunContext(tmp_path)
    assert not context.cancelled
    (tmp_path / "cancel").touch()
    assert context.cancelled


def test_a_message_is_in_the_log_with_its_time(tmp_path: Path) -> None:
    context = RunContext(tmp_path)
    context.log("first")
    context.note("second")
    lines = (tmp_path / "logs/run.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["first", "second"]
    assert all(line[10] == "T" and line[19] == "Z" for line in lines)


def test_a_note_is_not_said_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mnistlib")
    RunContext(tmp_path).note("quietly")
    RunContext(tmp_path).log("aloud")
    assert [record.getMessage() for record in caplog.records] == ["aloud"]


def test_an_output_path_is_in_outputs_and_its_folder_is_created(tmp_path: Path) -> None:
    path = RunContext(tmp_path).output_path("deep/model.pkl")
    assert path == tmp_path / "outputs/deep/model.pkl"
    assert path.parent.is_dir()


def test_a_script_in_a_run_gets_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTLIB_RUN", str(tmp_path))
    for value in (3, 2, 1):
        current_run().log_metric("loss", value)
    assert read_metrics(tmp_path) == {"loss": [(0, 3.0), (1, 2.0), (2, 1.0)]}


def test_steps_go_on_where_an_earlier_process_of_the_run_stopped(tmp_path: Path) -> None:
    RunContext(tmp_path).log_metric("loss", 2)
    RunContext(tmp_path).log_metric("loss", 1)
    assert read_metrics(tmp_path) == {"loss": [(0, 2.0), (1, 1.0)]}


def test_a_script_run_by_hand_keeps_no_record_and_talks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("MNISTLIB_RUN", raising=False)
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO, "mnistlib")
    current_run().log_metric("accuracy", 0.5)
    assert [record.getMessage() for record in caplog.records] == ["accuracy = 0.5"]
    assert list(tmp_path.iterdir()) == []
