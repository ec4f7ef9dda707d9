"""Experiments, runs and metrics: through azureml-core, and by requests of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import Submit, ask, finished

pytestmark = pytest.mark.filterwarnings("ignore")
needs_sdk = pytest.mark.needs("azureml.core")


@pytest.fixture
def send(service: AzureMLEmulator) -> Callable[..., Any]:
    """Sends a request to the history service, and returns the JSON of its answer."""

    def request(method: str, rest: str, body: Any = None, *, status: int = 200) -> Any:
        answer = ask(service, "history/v1.0", rest, method=method, body=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    return request


@pytest.fixture
def experiment(send: Callable[..., Any]) -> str:
    """A new experiment with three runs: r0, r1 and r2, each with its name as a prefix."""
    name = f"history-{uuid4().hex[:8]}"
    send("POST", f"/experiments/{name}")
    runs = [{"runId": f"{name}-r{number}", "tags": {"number": str(number)}} for number in range(3)]
    send("PATCH", f"/experiments/{name}/batch/runs", {"runs": runs})
    return name


@needs_sdk
def test_metrics_of_every_form_come_back(submit: Submit) -> None:
    run = submit(
        """
        from azureml.core import Run
        run = Run.get_context()
        run.log("once", 0.5)
        for value in (3, 2, 1):
            run.log("loss", value)
        run.log_list("list", [1, 2, 3])
        run.log_row("row", x=1, y=2)
        run.tag("kind", "small")
        run.add_properties({"digest": "abc"})
        run.upload_file("table.txt", __file__)
        """,
        packages=("azureml-core",),
    )
    assert finished(run) == "Completed"
    assert run.get_metrics() == {"once": 0.5, "loss": [3, 2, 1], "list": [1, 2, 3], "row": {"x": 1, "y": 2}}
    assert run.get_tags()["kind"] == "small"
    assert run.get_properties()["digest"] == "abc"
    assert "table.txt" in run.get_file_names()


@needs_sdk
def test_children_have_metrics_of_their_own(submit: Submit) -> None:
    run = submit(
        """
        from azureml.core import Run
        parent = Run.get_context()
        for rate in (0.1, 1.0):
            with parent.child_run(name=f"rate {rate}") as child:
                child.log("rate", rate)
        """,
        packages=("azureml-core",),
    )
    assert finished(run) == "Completed"
    children = list(run.get_children())
    assert {child.get_metrics()["rate"] for child in children} == {0.1, 1.0}
    assert {child.get_status() for child in children} == {"Completed"}
    assert {child.parent.id for child in children} == {run.id}


@needs_sdk
def test_runs_are_found_again(submit: Submit, workspace: Any) -> None:
    from azureml.core import Experiment, Run

    run = submit("print('x')")
    run.tag("mark", run.id[-8:])
    finished(run)
    experiment = Experiment(workspace, "tests")
    assert [found.id for found in experiment.get_runs(tags={"mark": run.id[-8:]})] == [run.id]
    assert Run(experiment, run.id).get_status() == "Completed"
    assert workspace.get_run(run.id).id == run.id
    assert "tests" in workspace.experiments
    statuses = run.get_details()["status"]
    assert statuses == "Completed"


@needs_sdk
def test_an_interactive_run_needs_no_cluster(workspace: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from azureml.core import Experiment

    monkeypatch.chdir(tmp_path)  # the SDK sends what lies in outputs/ here
    (tmp_path / "outputs" / "a folder").mkdir(parents=True)
    (tmp_path / "outputs" / "a folder" / "100% gut ä.txt").write_text("odd")
    run = Experiment(workspace, "interactive").start_logging(snapshot_directory=None)
    run.log("accuracy", 0.9)
    (tmp_path / "notes.txt").write_text("notes")
    run.upload_file("outputs/notes.txt", str(tmp_path / "notes.txt"))
    run.complete()
    again = workspace.get_run(run.id)
    assert again.get_status() == "Completed"
    assert again.get_metrics() == {"accuracy": 0.9}
    again.download_files(prefix="outputs", output_directory=str(tmp_path / "back"))
    assert (tmp_path / "back" / "outputs" / "notes.txt").read_text() == "notes"
    assert (tmp_path / "back" / "outputs" / "a folder" / "100% gut ä.txt").read_text() == "odd"


def test_a_list_of_runs_comes_in_parts_newest_first(send: Callable[..., Any], experiment: str) -> None:
    query, found = {"top": 2}, []
    while True:
        part = send("POST", f"/experiments/{experiment}/runs:query", query)
        assert len(part["value"]) <= 2
        found += [run["runId"] for run in part["value"]]
        if part["continuationToken"] is None:
            break
        query |= {"continuationToken": part["continuationToken"]}
    assert found == [f"{experiment}-r{number}" for number in (2, 1, 0)]


def test_a_query_lists_the_runs_that_satisfy_its_filter(send: Callable[..., Any], experiment: str) -> None:
    found = send("POST", f"/experiments/{experiment}/runs:query", {"filter": "Tags/number eq 1"})["value"]
    assert [run["runId"] for run in found] == [f"{experiment}-r1"]


@pytest.mark.parametrize("query", [{"top": "many"}, {"continuationToken": "x"}, {"filter": "Status"}])
def test_a_malformed_query_is_a_bad_argument(send: Callable[..., Any], experiment: str, query: dict[str, str]) -> None:
    answer = send("POST", f"/experiments/{experiment}/runs:query", query, status=400)
    assert answer["error"]["code"] == "BadArgument"


def test_an_unknown_run_or_experiment_is_not_found(send: Callable[..., Any]) -> None:
    for rest in ("/runs/unknown", "/experiments/unknown", "/experiments/unknown/runs/unknown/details"):
        assert send("GET", rest, status=404)["error"]["code"] == "NotFound"


def test_an_archived_experiment_is_listed_only_on_request(send: Callable[..., Any], experiment: str) -> None:
    def listed(view: str) -> bool:
        return experiment in [
            found["name"] for found in send("POST", "/experiments:query", {"viewType": view})["value"]
        ]

    number = send("GET", f"/experiments/{experiment}")["experimentId"]
    send("PATCH", f"/experimentids/{number}", {"archive": True, "tags": {"old": "yes"}})
    assert [listed(view) for view in ("ActiveOnly", "ArchivedOnly", "All")] == [False, True, True]
    send("PATCH", f"/experimentids/{number}", {"archive": False})
    assert [listed(view) for view in ("ActiveOnly", "ArchivedOnly", "All")] == [True, False, True]
    assert send("GET", f"/experimentids/{number}")["tags"] == {"old": "yes"}


def test_events_of_several_runs_change_their_statuses(send: Callable[..., Any], experiment: str) -> None:
    ends = {f"{experiment}-r0": "Completed", f"{experiment}-r1": "Failed"}
    events = [
        {"name": f"Microsoft.MachineLearning.Run.{end}", "data": {"RunId": run, "ErrorResponse": None}}
        for run, end in ends.items()
    ]
    assert send("POST", f"/experiments/{experiment}/batch/events", {"events": events}) == {"errors": []}
    assert {run: send("GET", f"/runs/{run}")["status"] for run in ends} == ends


def test_a_heartbeat_changes_no_status(send: Callable[..., Any], experiment: str) -> None:
    run = f"{experiment}-r0"
    send("POST", f"/runs/{run}/events", {"name": "Microsoft.MachineLearning.Run.Heartbeat", "data": {}})
    assert send("GET", f"/runs/{run}")["statuses"] == ["NotStarted"]


def test_the_error_that_a_run_reports_before_it_fails_is_kept(send: Callable[..., Any], experiment: str) -> None:
    run, error = f"{experiment}-r0", {"error": {"code": "UserError", "message": "no data"}}
    for name, data in (("Error", {"ErrorResponse": error}), ("Failed", {})):
        send("POST", f"/runs/{run}/events", {"name": f"Microsoft.MachineLearning.Run.{name}", "data": data})
    details = send("GET", f"/experiments/{experiment}/runs/{run}/details")
    assert (details["status"], details["error"]) == ("Failed", error)


def test_tags_are_removed_by_name(send: Callable[..., Any], experiment: str) -> None:
    run = f"{experiment}-r0"
    send("PATCH", f"/experiments/{experiment}/runs/{run}", {"tags": {"kind": "small"}})
    send("DELETE", f"/runs/{run}/tags", ["number"])
    assert send("GET", f"/runs/{run}")["tags"] == {"kind": "small"}
