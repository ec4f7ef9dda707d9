"""Runs of azureml-core: metrics, children, files."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")

from azureml.core import Experiment, Run

from tests.testing.azureml.steps import Submit, finished

pytestmark = pytest.mark.filterwarnings("ignore")


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


def test_runs_are_found_again(submit: Submit, workspace: Any) -> None:
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


def test_an_interactive_run_needs_no_cluster(workspace: Any, tmp_path: Path, monkeypatch: Any) -> None:
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
