from collections.abc import Iterator
from pathlib import Path

import pytest

from mnistlib.testing.azureml.faults import Faults
from mnistlib.testing.azureml.runs.records import FINAL, RunRecords, failure
from mnistlib.testing.azureml.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.kept_in(tmp_path, Faults())
    yield state
    state.store.close()


@pytest.fixture
def runs(state: State) -> RunRecords:
    state.runs.add("one", "digits")
    return state.runs


def status_of(runs: RunRecords, run_id: str = "one") -> str:
    run = runs.get(run_id)
    assert run is not None
    return str(run["status"])


def test_an_id_is_taken_once(runs: RunRecords) -> None:
    assert not runs.add("one", "another")
    assert [(run["runId"], run["experimentName"]) for run in runs.all()] == [("one", "digits")]


def test_a_grandchild_has_the_root_of_its_parent(runs: RunRecords) -> None:
    runs.add("child", "digits", parentRunId="one")
    runs.add("grandchild", "digits", parentRunId="child")
    assert [(run["rootRunId"], run["runNumber"]) for run in runs.all()] == [("one", 1), ("one", 2), ("one", 3)]


def test_runs_are_listed_newest_first(runs: RunRecords) -> None:
    runs.add("two", "digits")
    assert [run["runId"] for run in runs.newest_first()] == ["two", "one"]


def test_an_experiment_is_found_by_name_and_by_id(runs: RunRecords) -> None:
    experiment = runs.experiment("digits")
    assert runs.find_experiment(name="digits") == runs.find_experiment(number=experiment["experimentId"]) == experiment
    assert runs.find_experiment(name="unknown") is None


def test_tags_and_properties_are_merged_and_other_fields_replaced(runs: RunRecords) -> None:
    runs.patch("one", {"tags": {"a": "1"}, "properties": {"p": "1"}, "displayName": "first"})
    runs.patch("one", {"tags": {"b": "2"}, "displayName": "second", "target": None})
    run = runs.get("one")
    assert run is not None
    assert (run["tags"], run["properties"], run["displayName"]) == ({"a": "1", "b": "2"}, {"p": "1"}, "second")
    runs.remove_tags("one", ["a", "unknown"])
    run = runs.get("one")
    assert run is not None
    assert run["tags"] == {"b": "2"}


def test_id_and_status_can_not_be_patched(runs: RunRecords) -> None:
    runs.patch("one", {"runId": "two", "status": "Completed"})
    assert (status_of(runs), runs.get("two")) == ("NotStarted", None)


@pytest.mark.parametrize("last", sorted(FINAL))
def test_a_final_status_stays(runs: RunRecords, last: str) -> None:
    assert runs.move("one", "Running")
    assert runs.move("one", last)
    assert not any(runs.move("one", status) for status in ("Running", "CancelRequested", *FINAL))
    run = runs.get("one")
    assert run is not None
    assert run["statuses"] == ["NotStarted", "Running", last]
    assert run["startTimeUtc"] <= run["endTimeUtc"]


def test_a_run_that_is_to_be_cancelled_only_ends(runs: RunRecords) -> None:
    assert runs.move("one", "CancelRequested")
    assert not runs.move("one", "Running")
    assert runs.move("one", "Canceled")


def test_listeners_are_called_for_each_change_of_a_status(runs: RunRecords) -> None:
    heard: list[str] = []
    runs.listeners.append(heard.append)
    for status in ("Running", "Completed", "Running"):
        runs.move("one", status)
    assert heard == ["one", "one"]


def test_an_error_that_was_noted_before_is_kept_at_the_end(runs: RunRecords) -> None:
    runs.note_error("one", failure("out of memory"))
    runs.move("one", "Failed")
    run = runs.get("one")
    assert run is not None
    assert run["error"]["error"]["message"] == "out of memory"


def test_open_children_without_a_submission_fail_with_their_parent(runs: RunRecords, state: State) -> None:
    for name in ("open", "done", "submitted"):
        runs.add(name, "digits", parentRunId="one")
    runs.move("done", "Completed")
    state.store.put("submission", "submitted", {})
    runs.end_children("one")
    assert [status_of(runs, name) for name in ("open", "done", "submitted")] == ["Failed", "Completed", "NotStarted"]


def test_runs_are_kept_after_a_restart(runs: RunRecords, state: State) -> None:
    runs.move("one", "Running")
    state.store.close()
    again = State.kept_in(state.folder, Faults())
    assert status_of(again.runs) == "Running"
    again.store.close()
