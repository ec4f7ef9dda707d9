"""Data of jobs on their nodes."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")

from azureml.core import Dataset, Experiment, ScriptRunConfig

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import Submit, ask, environment_of, finished, log_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("mode", ["as_mount", "as_download"])
@pytest.mark.parametrize("path", ["numbers", "numbers/one.txt"])
def test_data_references_become_paths_on_the_node(
    workspace: Any, submit: Submit, tmp_path: Path, mode: str, path: str
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "one.txt").write_text("1")
    datastore = workspace.get_default_datastore()
    datastore.upload(str(tmp_path / "source"), "numbers", show_progress=False)
    reference = getattr(datastore.path(path), mode)()
    (tmp_path / "train.py").write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "print((path / 'one.txt' if path.is_dir() else path).read_text())"
    )
    settings = ScriptRunConfig(
        str(tmp_path),
        script="train.py",
        arguments=[str(reference)],
        compute_target="cpu-cluster",
        environment=environment_of(),
    )
    settings.run_config.data_references[reference.data_reference_name] = reference.to_config()
    run = Experiment(workspace, "tests").submit(settings)
    assert finished(run) == "Completed", run.get_details()
    assert log_of(run, tmp_path) == "1\n"


def test_a_data_reference_to_nothing_fails_the_run(workspace: Any, cluster: Any, tmp_path: Path) -> None:
    reference = workspace.get_default_datastore().path("nothing/here").as_mount()
    (tmp_path / "train.py").write_text("print('never')")
    settings = ScriptRunConfig(str(tmp_path), script="train.py", compute_target=cluster, environment=environment_of())
    settings.run_config.data_references[reference.data_reference_name] = reference.to_config()
    run = Experiment(workspace, "tests").submit(settings)
    assert finished(run) == "Failed"
    assert "the datastore has nothing at 'nothing/here'" in run.get_details()["error"]["error"]["message"]


def test_a_registered_data_set_is_a_folder_on_the_node(
    service: AzureMLEmulator, workspace: Any, cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    for name in ("one.txt", "two.txt", "other.bin"):
        (tmp_path / "source" / name).write_text(name)
    workspace.get_default_datastore().upload(str(tmp_path / "source"), "set", show_progress=False)
    # What azureml-dataset-runtime would send; it needs an older NumPy than this package may be tested with.
    definition = "paths:\n- pattern: azureml://subscriptions/s/resourcegroups/g/workspaces/w"
    definition += "/datastores/workspaceblobstore/paths/set/*.txt\n"
    body = {
        "name": "texts",
        "isVisible": True,
        "datasetType": "file",
        "latest": {"dataflow": json.dumps({"meta": {"RsDataflow": definition}}), "properties": {}},
    }
    query = "/datasets?updateDefinitionIfExists=true"
    for _ in range(2):
        registered = ask(service, "dataset/v1.0", query, method="POST", body=body).json()
    assert registered["latest"]["versionId"] == "1"
    dataset = Dataset.get_by_name(workspace, "texts")
    (tmp_path / "train.py").write_text("import os, sys\nprint(sorted(os.listdir(sys.argv[1])))")
    settings = ScriptRunConfig(
        str(tmp_path),
        script="train.py",
        arguments=[dataset.as_named_input("texts").as_mount()],
        compute_target=cluster,
        environment=environment_of(),
    )
    run = Experiment(workspace, "tests").submit(settings)
    assert finished(run) == "Completed", run.get_details()
    assert log_of(run, tmp_path) == "['one.txt', 'two.txt']\n"
