"""Both generations of the SDK over one state."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")
pytest.importorskip("azureml.core")

from azure.ai.ml.entities import Model as NewModel
from azureml.core import Environment, Model, Run
from azureml.core.compute import ComputeTarget

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml import v2
from tests.testing.azureml.steps import Submit, ask, finished
from tests.testing.azureml.steps import environment_of as old_environment_of
from tests.testing.azureml.v2 import SubmitJob, command_of, downloaded, ended, environment_of, log_of, new_name

pytestmark = pytest.mark.filterwarnings("ignore")

SAVE = "import os; os.makedirs('outputs', exist_ok=True); open('outputs/model.pkl', 'w').write('weights')"


def output_of(job: str) -> str:
    return f"azureml://jobs/{job}/outputs/artifacts/paths/outputs/model.pkl"


def test_a_run_of_the_old_sdk_is_a_job_of_the_new_one(client: Any, submit: Submit, tmp_path: Path) -> None:
    run = submit(SAVE + "; print('old')", arguments=["--rate", 0.5])
    assert finished(run) == "Completed"
    job = client.jobs.get(run.id)
    assert (job.status, job.compute, job.experiment_name) == ("Completed", "cpu-cluster", "tests")
    assert job.command == "python train.py --rate 0.5"
    assert log_of(client, run.id, tmp_path / "log") == "old\n"


def test_a_job_of_the_new_sdk_is_a_run_of_the_old_one(
    workspace: Any, client: Any, submit_job: SubmitJob, tmp_path: Path
) -> None:
    job = submit_job(SAVE + "; print('new')", tags={"kind": "small"})
    assert ended(client, job.name) == "Completed"
    run = Run.get(workspace, job.name)
    assert (run.get_status(), run.get_tags()) == ("Completed", {"kind": "small"})
    assert "outputs/model.pkl" in run.get_file_names()
    run.download_file("user_logs/std_log.txt", str(tmp_path / "log.txt"))
    assert (tmp_path / "log.txt").read_text() == "new\n"


def test_either_sdk_cancels_what_the_other_has_submitted(
    workspace: Any, client: Any, submit: Submit, submit_job: SubmitJob
) -> None:
    waits = "import time; time.sleep(600)"
    run, job = submit(waits), submit_job(waits)
    client.jobs.begin_cancel(run.id).result()
    Run.get(workspace, job.name).cancel()
    assert (finished(run), ended(client, job.name)) == ("Canceled", "Canceled")


def test_metrics_of_the_old_sdk_are_read_by_mlflow(service: AzureMLEmulator, submit: Submit) -> None:
    run = submit(
        "from azureml.core import Run\nrun = Run.get_context()\nrun.log('x', 1)\nrun.log('x', 2)\n",
        packages=("azureml-core",),
    )
    assert finished(run) == "Completed"
    query = f"/api/2.0/mlflow/metrics/get-history?run_id={run.id}&metric_key=x"
    logged = ask(service, "mlflow/v2.0", query).json()["metrics"]
    assert [(metric["step"], metric["value"]) for metric in logged] == [(0, 1.0), (1, 2.0)]


def test_metrics_of_mlflow_are_read_by_the_old_sdk(
    service: AzureMLEmulator, workspace: Any, submit_job: SubmitJob
) -> None:
    name = submit_job("pass").name
    numbers = [{"key": "x", "value": value, "timestamp": 0, "step": step} for step, value in enumerate((1.0, 0.5))]
    body = {"run_id": name, "metrics": [*numbers, {"key": "y", "value": 3.0, "timestamp": 0, "step": 0}]}
    ask(service, "mlflow/v2.0", "/api/2.0/mlflow/runs/log-batch", method="POST", body=body).raise_for_status()
    assert Run.get(workspace, name).get_metrics() == {"x": [1.0, 0.5], "y": 3.0}


def test_a_model_of_the_old_sdk_is_read_by_the_new_one(client: Any, submit: Submit, tmp_path: Path) -> None:
    run, name = submit(SAVE), new_name("model")
    finished(run)
    run.register_model(name, model_path="outputs/model.pkl", tags={"stage": "trial"}, properties={"sha256": "abc"})
    model = client.models.get(name, "1")
    assert (model.tags, model.properties, model.job_name) == ({"stage": "trial"}, {"sha256": "abc"}, run.id)
    client.models.download(name, "1", download_path=tmp_path / "down")
    assert (tmp_path / "down" / name / "model.pkl").read_text() == "weights"


def test_a_model_of_the_new_sdk_is_read_by_the_old_one(
    workspace: Any, client: Any, submit_job: SubmitJob, tmp_path: Path
) -> None:
    job, name = submit_job(SAVE), new_name("model")
    ended(client, job.name)
    client.models.create_or_update(
        NewModel(name=name, path=output_of(job.name), tags={"stage": "trial"}, properties={"sha256": "abc"})
    )
    model = Model(workspace, name)
    assert (model.version, model.tags, model.run_id) == (1, {"stage": "trial"}, job.name)
    assert Path(model.download(str(tmp_path / "down"))).read_text() == "weights"


def test_a_local_model_of_the_new_sdk_is_read_by_the_old_one(workspace: Any, client: Any, tmp_path: Path) -> None:
    name, folder = new_name("model"), tmp_path / "local"
    folder.mkdir()
    for file in ("weights.bin", "facts.json"):
        (folder / file).write_text(name)
    client.models.create_or_update(NewModel(name=name, path=str(folder)))
    down = Path(Model(workspace, name).download(str(tmp_path / "down")))
    assert {file.name: file.read_text() for file in down.iterdir()} == {"weights.bin": name, "facts.json": name}


def test_versions_of_a_model_are_counted_together(workspace: Any, client: Any, submit: Submit) -> None:
    run, name = submit(SAVE), new_name("model")
    finished(run)
    client.models.create_or_update(NewModel(name=name, path=output_of(run.id)))
    assert run.register_model(name, model_path="outputs/model.pkl").version == 2
    assert client.models.create_or_update(NewModel(name=name, path=output_of(run.id))).version == "3"


def test_a_version_that_is_no_number_is_the_new_sdks_own(workspace: Any, client: Any, submit: Submit) -> None:
    run, name = submit(SAVE), new_name("model")
    finished(run)
    client.models.create_or_update(NewModel(name=name, version="spring", path=output_of(run.id)))
    assert client.models.get(name, "spring").version == "spring"
    assert Model.list(workspace, name=name) == []
    assert run.register_model(name, model_path="outputs/model.pkl").version == 1


def test_an_environment_of_the_old_sdk_runs_a_job_of_the_new_one(
    workspace: Any, client: Any, cluster_v2: Any, tmp_path: Path
) -> None:
    name = new_name("env")
    old_environment_of("numpy", name=name).register(workspace)
    job = client.jobs.create_or_update(
        command_of(None, line="python -c 'import numpy; print(1)'", environment=f"{name}@latest")
    )
    assert ended(client, job.name) == "Completed"


def test_an_environment_of_the_new_sdk_is_read_by_the_old_one(workspace: Any, client: Any) -> None:
    name = new_name("env")
    client.environments.create_or_update(environment_of("numpy", name=name, version="5"))
    found = Environment.get(workspace, name)
    assert (found.version, list(found.python.conda_dependencies.pip_packages)) == ("5", ["numpy"])


def test_clusters_are_seen_by_both(workspace: Any, client: Any) -> None:
    v2.make_cluster(client, "made-by-new", nodes=1)
    cluster = ComputeTarget(workspace, "made-by-new")
    assert cluster.scale_settings.maximum_node_count == 1
    cluster.delete()
    assert "made-by-new" not in [compute.name for compute in client.compute.list()]


def test_a_job_of_the_new_sdk_shows_its_code_to_the_old_one(
    workspace: Any, submit_job: SubmitJob, tmp_path: Path
) -> None:
    import zipfile

    run = Run.get(workspace, submit_job("print('shown')").name)
    archive = run.restore_snapshot(path=str(tmp_path))
    assert zipfile.ZipFile(archive).namelist() == ["train.py"]


def test_files_of_a_running_job_can_be_downloaded_by_the_old_sdk(
    workspace: Any, client: Any, submit_job: SubmitJob, tmp_path: Path
) -> None:
    name = submit_job(SAVE).name
    ended(client, name)
    Run.get(workspace, name).download_files("outputs", str(tmp_path / "old"))
    assert "artifacts/outputs/model.pkl" in downloaded(client, name, tmp_path / "new")
    assert (tmp_path / "old/outputs/model.pkl").read_text() == "weights"
