"""Each fault, as a client meets it."""

import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import requests

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import Submit, ask, finished, log_of, make_cluster, wait_until

pytest.importorskip("azureml.core")

pytestmark = pytest.mark.filterwarnings("ignore")


def test_throttling_says_when_to_come_again(service: AzureMLEmulator) -> None:
    service.faults.add("throttle", match="GET .*/computes$", retry_after=7)
    answer = ask(service, "rp/workspaces", "/computes")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert ask(service, "rp/workspaces", "/computes").status_code == 200


def test_a_burst_of_errors_ends(service: AzureMLEmulator) -> None:
    fault = service.faults.add("error", match="/computes$", status=503, times=3, after=1)
    statuses = [ask(service, "rp/workspaces", "/computes").status_code for _ in range(6)]
    assert statuses == [200, 503, 503, 503, 200, 200]
    assert (fault.count, fault.happened.is_set()) == (3, True)


def test_an_expired_token_is_refused(service: AzureMLEmulator) -> None:
    service.faults.add("expired_token", match="/computes$")
    answer = ask(service, "rp/workspaces", "/computes")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert ask(service, "rp/workspaces", "/computes").status_code == 200


@pytest.mark.parametrize("token", ["", "x.y.z", "nonsense", "e30.e30.e30"])
def test_a_foreign_token_is_refused(service: AzureMLEmulator, token: str) -> None:
    assert ask(service, "rp/workspaces", "/computes", token=token).status_code == 401


def test_an_answer_can_be_cut_off_in_its_middle(service: AzureMLEmulator) -> None:
    service.faults.add("reset_answer", match="/computes$")
    with pytest.raises(requests.RequestException):
        ask(service, "rp/workspaces", "/computes")
    assert service.requests[-1].status is None
    assert ask(service, "rp/workspaces", "/computes").status_code == 200


def test_a_lost_answer_is_of_work_that_was_done(service: AzureMLEmulator) -> None:
    service.faults.add("lost_answer", match="POST .*/experiments/lost$")
    with pytest.raises(requests.ConnectionError):
        ask(service, "history/v1.0", "/experiments/lost", method="POST")
    assert ask(service, "history/v1.0", "/experiments/lost").status_code == 200


def address_for(service: AzureMLEmulator, name: str) -> str:
    """Return a signed address that a file of a run can be written to."""
    answer = ask(
        service,
        "artifact/v2.0",
        "/artifacts/batch/metadata/LocalUpload/tests",
        method="POST",
        body={"paths": [{"path": name}]},
    )
    return str(answer.json()["artifactContentInformation"][name]["contentUri"])


def test_an_upload_that_was_cut_off_leaves_nothing(service: AzureMLEmulator) -> None:
    service.faults.add("reset_upload", match="PUT .*/cut.bin")
    address, content = address_for(service, "cut.bin"), bytes(3 << 20)
    with pytest.raises(requests.ConnectionError):
        requests.put(address, content, timeout=30)
    assert requests.get(address, timeout=30).status_code == 404
    assert requests.put(address, content, timeout=30).status_code == 201
    assert requests.get(address, timeout=30).content == content


def test_a_full_storage_account_refuses_an_upload(service: AzureMLEmulator) -> None:
    service.faults.add("disk_full", match="PUT .*/full.bin")
    answer = requests.put(address_for(service, "full.bin"), b"x", timeout=30)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (507, "InsufficientStorage")


def test_an_address_opens_one_blob_and_no_other(service: AzureMLEmulator) -> None:
    address = address_for(service, "one.bin")
    for other in (address.replace("one.bin", "two.bin"), address.partition("?")[0], address + "x"):
        assert requests.put(other, b"x", timeout=30).status_code == 403


def test_a_wrong_account_key_opens_nothing(service: AzureMLEmulator) -> None:
    from azureml._vendor.azure_storage.blob import BlobServiceClient

    account = json.loads((service.folder / "names.json").read_text())["account"]
    wrong = {"account_name": account, "account_key": "d3Jvbmc="}
    blob = BlobServiceClient(f"https://{account}.blob.core.windows.net", wrong).get_blob_client("azureml", "any")
    with pytest.raises(Exception, match="AuthenticationFailed"):
        blob.upload_blob(b"x")


def test_a_slow_storage_account_is_slow(service: AzureMLEmulator) -> None:
    service.faults.add("slow", match="/computes$", seconds=0.3)
    start = monotonic()
    assert ask(service, "rp/workspaces", "/computes").status_code == 200
    assert monotonic() - start >= 0.3


def test_the_sdk_outlives_a_server_error(service: AzureMLEmulator, workspace: Any) -> None:
    from azureml.core import Experiment

    fault = service.faults.add("error", match="GET .*/experiments/patient$")
    assert Experiment(workspace, "patient").name == "patient"
    assert fault.count == 1


def test_a_job_whose_node_is_taken_away_starts_again_on_another(
    service: AzureMLEmulator, submit: Submit, tmp_path: Path
) -> None:
    fault = service.faults.add("preempted", seconds=0.0)
    run = submit(
        """
        import pathlib, time
        print("started")
        time.sleep(1)
        """
    )
    assert finished(run) == "Completed"
    assert fault.count == 1
    statuses = ask(service, "history/v1.0", f"/runs/{run.id}").json()["statuses"]
    assert statuses == ["NotStarted", *["Queued", "Preparing", "Running"] * 2, "Finalizing", "Completed"]
    assert log_of(run, tmp_path) == "started\n"


def test_an_image_that_can_not_be_built_fails_the_run_before_it_starts(
    service: AzureMLEmulator, submit: Submit
) -> None:
    service.faults.add("image_build")
    run = submit("print('never')")
    assert finished(run) == "Failed"
    error = run.get_details()["error"]["error"]
    assert error["code"] == "ImageBuildFailure"
    assert "user_logs/std_log.txt" not in run.get_file_names()
    assert "azureml-logs/20_image_build_log.txt" in run.get_file_names()


def test_a_node_with_a_full_disk_fails_the_run(service: AzureMLEmulator, submit: Submit) -> None:
    service.faults.add("node_disk_full")
    run = submit("import time; time.sleep(600)")
    assert finished(run) == "Failed"
    assert "No space left on device" in run.get_details()["error"]["error"]["message"]


def test_a_quota_fails_the_making_of_a_cluster(service: AzureMLEmulator, workspace: Any) -> None:
    from azureml.core.compute_target import ComputeTargetException

    service.faults.add("quota", match="too-large")
    with pytest.raises(ComputeTargetException, match="ClusterCoreQuotaReached"):
        make_cluster(workspace, "too-large", nodes=4)


def test_an_unknown_fault_is_refused_at_once(service: AzureMLEmulator) -> None:
    with pytest.raises(ValueError, match="unknown fault 'earthquake': use one of"):
        service.faults.add("earthquake")  # type: ignore[arg-type]


def test_nothing_is_left_running_after_a_preemption(service: AzureMLEmulator, workspace: Any, submit: Submit) -> None:
    cluster = make_cluster(workspace, "brief", nodes=1)
    run = submit("import time; time.sleep(600)", target=cluster)
    wait_until(lambda: run.get_status() == "Running")
    cluster.delete()
    assert finished(run) == "Canceled"
