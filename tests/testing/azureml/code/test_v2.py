"""Code of azure-ai-ml."""

from typing import Any

import pytest
import requests

pytest.importorskip("azure.ai.ml")

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import ask
from tests.testing.azureml.v2 import SubmitJob, calls_since, ended

pytestmark = pytest.mark.filterwarnings("ignore")


def test_unchanged_code_is_uploaded_once(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    submit_job("print('once')")
    start = len(service.requests)
    submit_job("print('once')")
    assert not [call for call in calls_since(service, start) if "startPendingUpload" in call or "train.py" in call]


@pytest.mark.slow  # the SDK waits for 15 seconds before it sends a blob again
def test_an_upload_that_was_cut_off_is_sent_again(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    fault = service.faults.add("reset_upload", match=r"PUT .*/train\.py")
    job = submit_job("print('cut off')")
    assert fault.count == 1
    assert ended(client, job.name) == "Completed"


def test_an_address_for_code_opens_one_container_and_no_other(service: AzureMLEmulator, client: Any) -> None:
    answer = ask(service, "", "/codes/mine/versions/1/startPendingUpload", method="POST", host="management.azure.com")
    address = answer.json()["blobReferenceForConsumption"]["credential"]["sasUri"]
    place, _, signature = address.partition("?")
    assert requests.put(f"{place}/src/train.py?{signature}", b"pass", timeout=30).status_code == 201
    other = place.replace("code-mine-1", "azureml-blobstore")
    assert requests.put(f"{other}/src/train.py?{signature}", b"pass", timeout=30).status_code == 403
