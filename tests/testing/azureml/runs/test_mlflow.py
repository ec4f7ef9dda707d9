"""MLflow's tracking server, as MLflow speaks to it and as anybody can."""

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")
pytest.importorskip("mlflow")
pytest.importorskip("azureml.mlflow")

import mlflow
from azure.ai.ml.entities import Model

from mnistlib.testing.azureml import AzureMLEmulator
from tests.azureml import strangers
from tests.testing.azureml.steps import ask
from tests.testing.azureml.v2 import SubmitJob, ended, log_of, new_name

pytestmark = pytest.mark.filterwarnings("ignore")

LOG = """\
import mlflow
mlflow.log_param("rate", 0.5)
mlflow.log_metric("accuracy", 0.9)
for step in range(3):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
mlflow.log_metrics({"missing": float("nan"), "endless": float("inf")})
mlflow.set_tag("stage", "trial")
mlflow.log_text("hello", "outputs/note.txt")
mlflow.log_metric("late", 5, synchronous=False).wait()
print(mlflow.active_run().info.run_id)
"""


@pytest.fixture(scope="module")
def tracking(client: Any) -> Any:
    place = client.workspaces.get(client.workspace_name).mlflow_tracking_uri
    mlflow.set_tracking_uri(place)
    mlflow.set_registry_uri(place)
    return mlflow.MlflowClient()


def test_a_job_logs_through_mlflow_to_its_own_run(
    service: AzureMLEmulator, client: Any, submit_job: SubmitJob, tracking: Any, tmp_path: Path
) -> None:
    job = submit_job(LOG, packages=("mlflow-skinny", "azureml-mlflow"))
    assert ended(client, job.name) == "Completed"
    run = tracking.get_run(job.name)
    assert (run.info.status, run.data.params) == ("FINISHED", {"rate": "0.5"})
    assert run.data.tags["stage"] == "trial"
    assert {"accuracy": 0.9, "loss": 1 / 3, "endless": math.inf, "late": 5.0}.items() <= run.data.metrics.items()
    assert math.isnan(run.data.metrics["missing"])
    history = [(metric.step, metric.value) for metric in tracking.get_metric_history(job.name, "loss")]
    assert history == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert [file.path for file in tracking.list_artifacts(job.name, "outputs")] == ["outputs/note.txt"]
    assert log_of(client, job.name, tmp_path / "log").startswith(f"{job.name}\n")
    assert strangers(service) == []


def test_a_run_outside_any_job(tracking: Any) -> None:
    name = new_name("experiment")
    mlflow.set_experiment(name)
    with mlflow.start_run(run_name="by hand") as run:
        mlflow.log_metric("accuracy", 0.5)
    found = tracking.get_run(run.info.run_id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "by hand")
    assert [known.info.run_id for known in mlflow.search_runs(experiment_names=[name], output_format="list")] == [
        run.info.run_id
    ]


def test_a_job_ends_when_its_process_does(client: Any, submit_job: SubmitJob, service: AzureMLEmulator) -> None:
    name = submit_job("import time; time.sleep(600)").name
    body = {"run_id": name, "status": "FAILED"}
    answer = ask(service, "mlflow/v2.0", "/api/2.0/mlflow/runs/update", method="POST", body=body)
    assert answer.json()["run_info"]["status"] in ("SCHEDULED", "RUNNING")
    client.jobs.begin_cancel(name).result()
    assert ended(client, name) == "Canceled"


def test_a_parameter_never_changes(client: Any, submit_job: SubmitJob, tracking: Any) -> None:
    name = submit_job("pass").name
    tracking.log_param(name, "rate", 0.5)
    with pytest.raises(mlflow.MlflowException, match=r"rate is '0\.5' already"):
        tracking.log_param(name, "rate", 0.7)


REGISTER = """\
import pathlib
import mlflow
pathlib.Path("model").mkdir()  # not in outputs: what is there is sent by the node, and nothing is sent twice
pathlib.Path("model/weights.bin").write_text("weights")
mlflow.log_artifacts("model", "outputs/model")
registry = mlflow.MlflowClient()
registry.create_registered_model("NAME")
run_id = mlflow.active_run().info.run_id
registry.create_model_version("NAME", mlflow.get_artifact_uri("outputs/model"), run_id, tags={"stage": "trial"})
"""


def test_a_job_registers_its_own_model(client: Any, submit_job: SubmitJob, tracking: Any, tmp_path: Path) -> None:
    name = new_name("model")
    job = submit_job(REGISTER.replace("NAME", name), packages=("mlflow-skinny", "azureml-mlflow"))
    assert ended(client, job.name) == "Completed"
    model = client.models.get(name, "1")
    assert (model.job_name, model.tags) == (job.name, {"stage": "trial"})
    client.models.download(name, "1", download_path=tmp_path / "down")
    assert (tmp_path / "down" / name / "model" / "weights.bin").read_text() == "weights"


def test_a_model_of_the_workspace_is_read_by_mlflow(client: Any, tracking: Any, tmp_path: Path) -> None:
    name, folder = new_name("model"), tmp_path / "local"
    folder.mkdir()
    for file in ("weights.bin", "facts.json"):
        (folder / file).write_text(name)
    client.models.create_or_update(Model(name=name, path=str(folder), tags={"stage": "trial"}))
    version = tracking.get_model_version(name, "1")
    assert (version.version, version.tags) == ("1", {"stage": "trial"})
    assert [known.version for known in tracking.search_model_versions(f"name = '{name}'")] == ["1"]
    down = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path / "down")))
    assert sorted(file.name for file in down.rglob("*") if file.is_file()) == ["facts.json", "weights.bin"]


def test_an_unknown_run_is_said_to_be_unknown(tracking: Any) -> None:
    with pytest.raises(mlflow.MlflowException, match="RESOURCE_DOES_NOT_EXIST: Run with id=nothing not found"):
        tracking.get_run("nothing")
