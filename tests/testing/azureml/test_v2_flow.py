"""A job through azure-ai-ml as it is: from config.json to what the job has left."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import requests

pytest.importorskip("azure.ai.ml", reason="azure-ai-ml is not installed")
pytest.importorskip("azure.identity", reason="azure-identity is not installed")

from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import AmlCompute, Data, Environment
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import DefaultAzureCredential

from mnistlib.testing.azureml import AzureMLEmulator
from tests.azureml import strangers
from tests.testing.azureml.steps import ask, wait_until
from tests.testing.azureml.v2 import (
    SubmitJob,
    calls_since,
    command_of,
    downloaded,
    ended,
    environment_of,
    log_of,
    make_cluster,
    new_name,
    project_of,
)

pytestmark = pytest.mark.filterwarnings("ignore")

TRAIN = """\
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--rate", type=float)
parser.add_argument("--model")
options = parser.parse_args()
print("read", pathlib.Path(options.data, "digits.txt").read_text(), "rate", options.rate)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/metrics.json").write_text("{}")
pathlib.Path(options.model, "model.pkl").write_bytes(b"weights")
"""


def test_the_whole_way_as_users_write_it(service: AzureMLEmulator, tmp_path: Path, capsys: Any) -> None:
    client = MLClient.from_config(DefaultAzureCredential(), path=str(service.config_path))
    cluster = AmlCompute(name="tutorial-v2", size="STANDARD_D2_V2", min_instances=0, max_instances=4)
    assert client.compute.begin_create_or_update(cluster).result().provisioning_state == "Succeeded"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits.txt").write_text("0123456789")
    data = client.data.create_or_update(
        Data(name="digits", version="a1b2", path=str(tmp_path / "data"), type="uri_folder")
    )
    (tmp_path / "conda.yml").write_text("dependencies:\n- python=3.11\n- pip:\n  - numpy\n")
    environment = client.environments.create_or_update(
        Environment(name="tutorial-v2", version="7", image="ubuntu", conda_file=str(tmp_path / "conda.yml"))
    )
    name = new_name()
    job = command(
        name=name,
        command="python train.py --data ${{inputs.data}} --rate ${{inputs.rate}} --model ${{outputs.model}}",
        code=project_of(tmp_path / "src", TRAIN),
        inputs={"data": Input(type="uri_folder", path=data.id), "rate": 0.5},
        outputs={"model": Output(type="uri_folder")},
        environment=environment,
        compute="tutorial-v2",
        experiment_name="tutorial",
    )
    submitted = client.jobs.create_or_update(job)
    assert submitted.name == name
    client.jobs.stream(name)
    assert client.jobs.get(name).status == "Completed"
    assert downloaded(client, name, tmp_path / "all", all=True) == [
        "artifacts/azureml-logs/20_image_build_log.txt",
        "artifacts/outputs/metrics.json",
        "artifacts/user_logs/std_log.txt",
        "named-outputs/model/model.pkl",
    ]
    assert (tmp_path / "all/artifacts/user_logs/std_log.txt").read_text() == "read 0123456789 rate 0.5\n"
    client.compute.begin_delete("tutorial-v2").result()
    with pytest.raises(ResourceNotFoundError):
        client.compute.get("tutorial-v2")
    assert strangers(service) == []


def test_a_job_that_runs_is_streamed(client: Any, submit_job: SubmitJob, capsys: Any) -> None:
    job = submit_job("import time\nfor i in range(3): print('line', i); time.sleep(0.1)")
    client.jobs.stream(job.name)
    assert "line 0\nline 1\nline 2\n" in capsys.readouterr().out


def test_a_failed_job_says_its_last_error(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("print('before')\nraise ValueError('no such rate')")
    with pytest.raises(JobException, match="User program failed with ValueError: no such rate"):
        client.jobs.stream(job.name)
    assert ended(client, job.name) == "Failed"


def test_a_running_job_can_be_cancelled(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("import time; time.sleep(600)")
    wait_until(lambda: client.jobs.get(job.name).status == "Running")
    client.jobs.begin_cancel(job.name).result()
    assert ended(client, job.name) == "Canceled"


def test_a_job_that_has_ended_can_not_be_cancelled(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("pass")
    ended(client, job.name)
    with pytest.raises(HttpResponseError, match="can't be cancelled"):
        client.jobs.begin_cancel(job.name)


def test_unchanged_code_is_uploaded_once(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    submit_job("print('once')")
    start = len(service.requests)
    submit_job("print('once')")
    assert not [call for call in calls_since(service, start) if "startPendingUpload" in call or "train.py" in call]


def test_the_same_job_again_is_the_same_job(
    service: AzureMLEmulator, client: Any, submit_job: SubmitJob, tmp_path: Path
) -> None:
    name = new_name()
    submit_job("print('once')", name=name)
    assert submit_job("print('once')", name=name).name == name
    assert ended(client, name) == "Completed"
    statuses = ask(service, "history/v1.0", f"/runs/{name}").json()["statuses"]
    assert statuses == ["NotStarted", "Queued", "Preparing", "Running", "Finalizing", "Completed"]


def test_another_job_under_the_same_name_is_refused(client: Any, submit_job: SubmitJob) -> None:
    name = new_name()
    submit_job("print('once')", name=name)
    with pytest.raises(ResourceExistsError, match="not command"):
        submit_job("print('once')", name=name, line="python train.py --other")


def test_a_submission_whose_answer_was_lost_is_not_repeated(
    service: AzureMLEmulator, client: Any, submit_job: SubmitJob
) -> None:
    fault = service.faults.add("lost_answer", match="PUT .*/jobs/")
    job = submit_job("print('once')")
    assert fault.count == 1
    assert ended(client, job.name) == "Completed"


@pytest.mark.parametrize("call", ["PUT .*/jobs/", "GET .*/versions$", "PUT .*/codes/"])
def test_throttling_is_waited_for(service: AzureMLEmulator, client: Any, submit_job: SubmitJob, call: str) -> None:
    fault = service.faults.add("throttle", match=call)
    job = submit_job(f"print({call!r})")
    assert fault.count == 1
    assert ended(client, job.name) == "Completed"


def test_what_a_job_gets_and_what_it_leaves(client: Any, submit_job: SubmitJob, tmp_path: Path) -> None:
    job = submit_job(
        """
        import os, sys
        print(sys.argv[1:], os.environ["RATE"], sorted(os.listdir(".")))
        print(sorted(name for name in os.environ if name.startswith(("AZURE_CLIENT", "AZUREML_SERVICE_PRINCIPAL"))))
        """,
        line="python train.py ${{ inputs.count }} '${{inputs.text}}'",
        inputs={"count": 3, "text": "two words"},
        environment_variables={"RATE": "0.25"},
    )
    assert ended(client, job.name) == "Completed"
    log = log_of(client, job.name, tmp_path / "log")
    assert log == "['3', 'two words'] 0.25 ['logs', 'outputs', 'train.py']\n[]\n"


def test_a_job_needs_no_code(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    job = client.jobs.create_or_update(command_of(None, line="echo plain"))
    assert ended(client, job.name) == "Completed"
    assert log_of(client, job.name, tmp_path / "log") == "plain\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"compute": "no-such-cluster"}, "The compute target no-such-cluster was not found"),
        ({"environment": "nothing:1"}, "The environment nothing, version 1, was not found"),
        ({"instance_count": 2}, "no jobs of several nodes"),
    ],
)
def test_a_job_that_can_not_run_is_refused(
    client: Any, submit_job: SubmitJob, options: dict[str, Any], error: str
) -> None:
    name = new_name()
    with pytest.raises(HttpResponseError, match=error):
        submit_job("pass", name=name, **options)
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get(name)


def test_an_input_without_files_fails_the_job(client: Any, submit_job: SubmitJob) -> None:
    nowhere = Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/nowhere/")
    job = submit_job("pass", line="python train.py ${{inputs.data}}", inputs={"data": nowhere})
    with pytest.raises(JobException, match="there is nothing at 'nowhere'"):
        client.jobs.stream(job.name)


def test_a_job_is_ended_at_its_own_limit(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    job = command_of(project_of(tmp_path / "project", "import time; time.sleep(600)"))
    job.set_limits(timeout=1)
    client.jobs.create_or_update(job)
    assert ended(client, job.name) == "Failed"


def test_what_is_said_of_a_job_can_be_changed(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("pass", tags={"stage": "trial"}, display_name="first")
    assert (job.tags, job.display_name) == ({"stage": "trial"}, "first")
    assert client.jobs.update(job.name, tags={"kind": "small"}).tags == {"stage": "trial", "kind": "small"}


def test_an_archived_job_is_not_listed(client: Any, submit_job: SubmitJob) -> None:
    name = submit_job("pass").name
    assert name in [job.name for job in client.jobs.list()]
    client.jobs.archive(name)
    assert name not in [job.name for job in client.jobs.list()]
    client.jobs.restore(name)
    assert name in [job.name for job in client.jobs.list()]


def test_a_preempted_job_starts_again(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    fault = service.faults.add("preempted")
    job = submit_job("import time; time.sleep(1)")
    assert ended(client, job.name) == "Completed"
    assert fault.count == 1


def test_a_job_finds_only_the_packages_of_its_environment(client: Any, submit_job: SubmitJob, tmp_path: Path) -> None:
    job = submit_job("import numpy; print('numpy'); import sklearn", packages=("numpy",))
    assert ended(client, job.name) == "Failed"
    log = log_of(client, job.name, tmp_path / "log")
    assert log.startswith("numpy\n")
    assert "ModuleNotFoundError: No module named 'sklearn'" in log


def test_a_quota_fails_the_making_of_a_cluster(service: AzureMLEmulator, client: Any) -> None:
    name = new_name("c").replace("_", "-")
    service.faults.add("quota", match=name)
    with pytest.raises(HttpResponseError, match="ClusterCoreQuotaReached"):
        make_cluster(client, name, nodes=4)
    assert client.compute.get(name).provisioning_state == "Failed"


def test_a_machine_that_there_is_not_is_refused(client: Any) -> None:
    with pytest.raises(HttpResponseError, match="VM size Standard_Nothing is not supported"):
        client.compute.begin_create_or_update(AmlCompute(name="odd", size="Standard_Nothing", max_instances=1))


def test_the_nodes_of_a_cluster_are_listed(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("import time; time.sleep(600)")
    wait_until(lambda: client.jobs.get(job.name).status == "Running")
    # As with the quota: the SDK's own field stays empty.
    assert job.name in [vars(node)["runId"] for node in client.compute.list_nodes("cpu-cluster")]
    client.jobs.begin_cancel(job.name).result()


def test_an_expired_token_is_refused(service: AzureMLEmulator, client: Any) -> None:
    service.faults.add("expired_token", match="GET .*/computes/cpu-cluster")
    with pytest.raises(ClientAuthenticationError):
        client.compute.get("cpu-cluster")


@pytest.mark.slow  # the SDK waits for 15 seconds before it sends a blob again
def test_an_upload_that_was_cut_off_is_sent_again(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    fault = service.faults.add("reset_upload", match=r"PUT .*/train\.py")
    job = submit_job("print('cut off')")
    assert fault.count == 1
    assert ended(client, job.name) == "Completed"


def test_another_workspace_is_not_here(client: Any) -> None:
    with pytest.raises(ResourceNotFoundError, match="The workspace elsewhere was not found"):
        client.workspaces.get("elsewhere")


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


def test_a_cluster_that_was_made_smaller_goes_on(client: Any, submit_job: SubmitJob) -> None:
    make_cluster(client, "shrinks", nodes=2)
    waiting = [submit_job("import time; time.sleep(600)", compute="shrinks") for _ in range(2)]
    wait_until(lambda: [client.jobs.get(job.name).status for job in waiting] == ["Running"] * 2)
    next_one = submit_job("print('next')", compute="shrinks")
    make_cluster(client, "shrinks", nodes=1)
    client.jobs.begin_cancel(waiting[0].name).result()
    assert ended(client, waiting[0].name) == "Canceled"
    assert client.jobs.get(next_one.name).status == "Queued"
    client.jobs.begin_cancel(waiting[1].name).result()
    assert ended(client, next_one.name) == "Completed"
    client.compute.begin_delete("shrinks").result()


def test_an_environment_gets_a_new_version_only_when_it_changes(client: Any) -> None:
    name = new_name("env")
    versions = [
        client.environments.create_or_update(environment_of(*packages, name=name)).version
        for packages in (("numpy",), ("numpy",), ("numpy", "scipy"))
    ]
    assert versions == ["1", "1", "2"]


def test_a_version_of_an_environment_never_changes(client: Any) -> None:
    name = new_name("env")
    client.environments.create_or_update(environment_of("numpy", name=name, version="x"))
    with pytest.raises(ResourceExistsError):
        client.environments.create_or_update(environment_of("scipy", name=name, version="x"))


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


def test_the_datastores_and_their_keys(client: Any) -> None:
    assert [store.name for store in client.datastores.list()] == ["workspaceblobstore", "workspaceartifactstore"]
    assert client.datastores.get_default(include_secrets=True).credentials.account_key


def test_the_workspace_says_where_mlflow_is(client: Any) -> None:
    workspace = client.workspaces.get(client.workspace_name)
    assert workspace.mlflow_tracking_uri.startswith("azureml://eastus.api.azureml.ms/mlflow/")


def test_the_quota_can_be_asked_for(client: Any, cluster_v2: Any) -> None:
    # The SDK's own fields stay empty, and the answer's stand beside them.
    usage = next(iter(client.compute.list_usage()))
    assert vars(usage)["currentValue"] >= 4
    assert "STANDARD_D2_V2" in [size.name for size in client.compute.list_sizes()]


def test_an_address_for_code_opens_one_container_and_no_other(service: AzureMLEmulator, client: Any) -> None:
    answer = ask(service, "", "/codes/mine/versions/1/startPendingUpload", method="POST", host="management.azure.com")
    address = answer.json()["blobReferenceForConsumption"]["credential"]["sasUri"]
    place, _, signature = address.partition("?")
    assert requests.put(f"{place}/src/train.py?{signature}", b"pass", timeout=30).status_code == 201
    other = place.replace("code-mine-1", "azureml-blobstore")
    assert requests.put(f"{other}/src/train.py?{signature}", b"pass", timeout=30).status_code == 403


def test_words_in_paths_match_in_any_case(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    name = submit_job("pass").name
    for path in (f"/jobs/{name}", f"/JOBS/{name}", "/dataStores/WorkspaceBlobStore"):
        assert ask(service, "", path, host="management.azure.com").status_code == 200


def test_what_is_not_covered_is_said_by_name(client: Any) -> None:
    from azure.ai.ml.entities import BatchEndpoint

    with pytest.raises(HttpResponseError, match=r"the emulator does not cover PUT .*/batchEndpoints/scores"):
        client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="scores"))
