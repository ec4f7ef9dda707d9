"""The registry through azure-ai-ml."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")

from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import ask
from tests.testing.azureml.v2 import SubmitJob, ended, new_name

pytestmark = pytest.mark.filterwarnings("ignore")

SAVE = """\
import os
os.makedirs("outputs/model")
for name in ("model.pkl", "model.json"):
    open("outputs/model/" + name, "w").write(name)
"""


@pytest.fixture
def finished_job(client: Any, submit_job: SubmitJob) -> str:
    name: str = submit_job(SAVE).name
    assert ended(client, name) == "Completed"
    return name


def output_of(job: str, path: str) -> str:
    return f"azureml://jobs/{job}/outputs/artifacts/paths/{path}"


def files_of(client: Any, name: str, version: str, folder: Path) -> list[str]:
    client.models.download(name, version, download_path=folder)
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_a_jobs_output_becomes_a_model(client: Any, finished_job: str, tmp_path: Path) -> None:
    name = new_name("model")
    model = client.models.create_or_update(
        Model(
            name=name,
            path=output_of(finished_job, "outputs/model"),
            type="custom_model",
            description="the first",
            tags={"stage": "trial"},
            properties={"sha256": "abc", "accuracy": "0.97"},
        )
    )
    assert (model.version, model.description, model.job_name) == ("1", "the first", finished_job)
    assert (model.tags, model.properties) == ({"stage": "trial"}, {"sha256": "abc", "accuracy": "0.97"})
    assert files_of(client, name, "1", tmp_path / "down") == [f"{name}/model/model.json", f"{name}/model/model.pkl"]


def test_one_file_of_a_job_becomes_a_model(client: Any, finished_job: str, tmp_path: Path) -> None:
    name = new_name("model")
    client.models.create_or_update(Model(name=name, path=output_of(finished_job, "outputs/model/model.pkl")))
    assert files_of(client, name, "1", tmp_path / "down") == [f"{name}/model.pkl"]


def test_a_local_folder_becomes_a_model(client: Any, tmp_path: Path) -> None:
    name, folder = new_name("model"), tmp_path / "local"
    folder.mkdir()
    (folder / "weights.bin").write_text(name)
    client.models.create_or_update(Model(name=name, path=str(folder)))
    assert files_of(client, name, "1", tmp_path / "down") == [f"{name}/local/weights.bin"]


def test_versions_count_up_and_none_is_given_twice(service: AzureMLEmulator, client: Any, finished_job: str) -> None:
    name, path = new_name("model"), output_of(finished_job, "outputs/model")
    for _ in range(2):
        client.models.create_or_update(Model(name=name, path=path))
    assert [model.version for model in client.models.list(name)] == ["2", "1"]
    gone = ask(service, "", f"/models/{name}/versions/2", method="DELETE", host="management.azure.com")
    assert gone.status_code == 200
    assert client.models.create_or_update(Model(name=name, path=path)).version == "3"
    assert client.models.get(name, label="latest").version == "3"


def test_what_is_said_of_a_version_can_be_changed(client: Any, finished_job: str) -> None:
    name, path = new_name("model"), output_of(finished_job, "outputs/model")
    client.models.create_or_update(Model(name=name, version="1", path=path, tags={"stage": "trial"}))
    client.models.create_or_update(Model(name=name, version="1", path=path, tags={"stage": "good"}))
    assert client.models.get(name, "1").tags == {"stage": "good"}


def test_the_files_of_a_version_stay(client: Any, finished_job: str) -> None:
    name = new_name("model")
    client.models.create_or_update(Model(name=name, version="1", path=output_of(finished_job, "outputs/model")))
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated"):
        client.models.create_or_update(Model(name=name, version="1", path=output_of(finished_job, "outputs")))


def test_an_archived_version_is_not_listed(client: Any, finished_job: str) -> None:
    name, path = new_name("model"), output_of(finished_job, "outputs/model")
    for _ in range(2):
        client.models.create_or_update(Model(name=name, path=path))
    client.models.archive(name, "2")
    assert [model.version for model in client.models.list(name)] == ["1"]


def test_a_model_of_nothing_is_refused(client: Any, finished_job: str) -> None:
    name = new_name("model")
    with pytest.raises(HttpResponseError, match="There are no files at"):
        client.models.create_or_update(Model(name=name, path=output_of(finished_job, "outputs/none.pkl")))
    with pytest.raises(ResourceNotFoundError):
        client.models.get(name, "1")
