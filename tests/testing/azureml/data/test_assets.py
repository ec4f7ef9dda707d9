"""Data assets, and the jobs that read them."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")

from azure.ai.ml import Input
from azure.ai.ml.entities import Data
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.v2 import SubmitJob, calls_since, ended, log_of, new_name

pytestmark = pytest.mark.filterwarnings("ignore")


def test_data_is_versioned_and_its_files_stay(client: Any, tmp_path: Path) -> None:
    name, folder = new_name("data"), tmp_path / "data"
    folder.mkdir()
    (folder / "a.txt").write_text(name)
    first = client.data.create_or_update(Data(name=name, path=str(folder), type="uri_folder"))
    (folder / "a.txt").write_text("changed")
    second = client.data.create_or_update(Data(name=name, path=str(folder), type="uri_folder"))
    assert (first.version, second.version) == ("1", "2")
    assert client.data.get(name, "1").path != client.data.get(name, "2").path
    assert [data.version for data in client.data.list(name)] == ["2", "1"]
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated"):
        client.data.create_or_update(Data(name=name, version="1", path=str(folder), type="uri_folder"))


def test_unchanged_data_is_uploaded_once(service: AzureMLEmulator, client: Any, tmp_path: Path) -> None:
    name, folder = new_name("data"), tmp_path / "data"
    folder.mkdir()
    (folder / "a.bin").write_text(name)
    client.data.create_or_update(Data(name=name, version="1", path=str(folder), type="uri_folder"))
    start = len(service.requests)
    client.data.create_or_update(Data(name=name, version="1", path=str(folder), type="uri_folder"))
    assert not [call for call in calls_since(service, start) if call.startswith("PUT") and call.endswith("a.bin")]


def test_large_files_arrive_whole(client: Any, submit_job: SubmitJob, tmp_path: Path) -> None:
    name, folder = new_name("data"), tmp_path / "data"
    folder.mkdir()
    (folder / "empty.bin").touch()
    (folder / "large.bin").write_bytes(bytes(range(256)) * (70 << 12))
    data = client.data.create_or_update(Data(name=name, version="1", path=str(folder), type="uri_folder"))
    job = submit_job(
        "import hashlib, pathlib, sys\n"
        "for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    print(file.name, hashlib.sha256(file.read_bytes()).hexdigest())\n",
        line="python train.py ${{inputs.data}}",
        inputs={"data": Input(type="uri_folder", path=data.id)},
    )
    assert ended(client, job.name) == "Completed"
    digests = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in sorted(folder.iterdir())]
    assert log_of(client, job.name, tmp_path / "log").splitlines() == digests


def test_an_input_without_files_fails_the_job(client: Any, submit_job: SubmitJob) -> None:
    nowhere = Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/nowhere/")
    job = submit_job("pass", line="python train.py ${{inputs.data}}", inputs={"data": nowhere})
    with pytest.raises(JobException, match="there is nothing at 'nowhere'"):
        client.jobs.stream(job.name)
