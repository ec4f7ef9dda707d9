"""Requests that no route answers, or that may not come in."""

from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import ask
from tests.testing.azureml.v2 import SubmitJob

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_call_that_is_not_covered_is_named(service: AzureMLEmulator) -> None:
    answer = ask(service, "jasmine/v1.0", "/experimentids/x/run", method="POST")
    assert answer.status_code == 501
    message = answer.json()["error"]["message"]
    assert message.startswith("the emulator does not cover POST eastus.api.azureml.ms/jasmine/v1.0/subscriptions/")


def test_what_is_not_covered_is_said_by_name(client: Any) -> None:
    from azure.ai.ml.entities import BatchEndpoint

    with pytest.raises(HttpResponseError, match=r"the emulator does not cover PUT .*/batchEndpoints/scores"):
        client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="scores"))


def test_another_workspace_is_not_here(client: Any) -> None:
    with pytest.raises(ResourceNotFoundError, match="The workspace elsewhere was not found"):
        client.workspaces.get("elsewhere")


def test_an_expired_token_is_refused(service: AzureMLEmulator, client: Any) -> None:
    service.faults.add("expired_token", match="GET .*/computes/cpu-cluster")
    with pytest.raises(ClientAuthenticationError):
        client.compute.get("cpu-cluster")


def test_words_in_paths_match_in_any_case(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    name = submit_job("pass").name
    for path in (f"/jobs/{name}", f"/JOBS/{name}", "/dataStores/WorkspaceBlobStore"):
        assert ask(service, "", path, host="management.azure.com").status_code == 200
