"""Services of both backends for Azure Machine Learning, beyond the contract."""

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
import requests

import mnistlib
from mnistlib import DeploymentError, ServiceNotFoundError, ServiceStatus
from mnistlib.backends import get_backend
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.models.version import ModelVersion
from tests.azureml import needs_sdk, strangers, workspace
from tests.backends.azureml_generations import LIMIT, TRAIN, V1, V2, Generation, count_requests
from tests.testing.azureml.steps import wait_until

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = pytest.mark.filterwarnings("ignore")

QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.1)
IMAGES = mnistlib.load_dataset("digits").test.images[:20]

#: Backend -> its request that deploys.
DEPLOYS = {V1.name: "POST .*/services$", V2.name: "PUT .*/deployments/"}


@dataclass(frozen=True)
class Place:
    """A workspace with a registered model.

    Attributes
    ----------
    name : str
        Name of the backend.
    """

    name: str
    emulator: "AzureMLEmulator"
    backend: Any
    model: ModelVersion

    def sent(self) -> int:
        """Return the number of deployment requests."""
        return count_requests(self.emulator, DEPLOYS[self.name])

    def names(self) -> list[str]:
        return [service.name for service in self.backend.services.list()]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Place]:
    generation: Generation = request.param
    folder = tmp_path_factory.mktemp("services")
    with workspace(folder, tmp_path_factory.getbasetemp(), backend=generation.name, finished=TRAIN) as emulator:
        backend: Any = get_backend(
            generation.name, config=emulator.config_path, runs_folder=folder / "runs", retries=QUICK
        )
        (run,) = backend.runs()
        yield Place(generation.name, emulator, backend, run.register_model("digits"))


@pytest.fixture
def place(served: Place) -> Iterator[Place]:
    yield served
    served.emulator.faults.clear()
    for service in served.backend.services.list():
        service.delete()
    assert strangers(served.emulator) == []  # no request left this machine


_V1, _V2 = (pytest.param(each, id=each.name, marks=needs_sdk(each.name)) for each in (V1, V2))
on_both = pytest.mark.parametrize("served", [_V1, _V2], indirect=True)
on_v1 = pytest.mark.parametrize("served", [_V1], indirect=True)
on_v2 = pytest.mark.parametrize("served", [_V2], indirect=True)


def damaged(model: ModelVersion) -> ModelVersion:
    """Return a model with a wrong digest."""
    return replace(model, sha256="0" * 64)


@on_both
def test_a_service_that_does_not_start_raises_the_reason_and_is_deleted(place: Place) -> None:
    with pytest.raises(DeploymentError) as caught:
        damaged(place.model).deploy("digits")
    reason, *tail = str(caught.value).splitlines()
    assert reason.startswith("service digits does not start: ")
    assert "It has been deleted" in reason
    assert any("model digits:1 was changed after it was registered" in line for line in tail)
    assert 1 < len(tail) <= 10
    assert place.names() == []


@on_both
def test_a_refused_deployment_leaves_no_service(place: Place) -> None:
    place.emulator.faults.add("error", match=DEPLOYS[place.name], status=403)
    with pytest.raises(mnistlib.ClusterError, match=r"deploying service digits failed: .*role in the workspace"):
        place.model.deploy("digits")
    assert place.names() == []


@on_both
@pytest.mark.parametrize("kind", ["lost_answer", "reset_answer"])
def test_a_deployment_whose_answer_is_lost_is_not_sent_again(place: Place, kind: Any) -> None:
    before = place.sent()
    fault = place.emulator.faults.add(kind, match=DEPLOYS[place.name])
    service = place.model.deploy("digits")
    assert (fault.count, place.sent()) == (1, before + 1)
    assert np.array_equal(service.predict(IMAGES), place.model.load().predict(IMAGES))


@on_both
def test_a_failed_deployment_whose_answer_is_lost_has_failed(place: Place) -> None:
    place.emulator.faults.add("lost_answer", match=DEPLOYS[place.name])
    with pytest.raises(DeploymentError, match=r"service digits does not start: .*\n(.*\n)*.*was changed after"):
        damaged(place.model).deploy("digits")
    assert place.names() == []


@on_both
def test_taken_and_invalid_names_cause_no_write_request(place: Place) -> None:
    place.model.deploy("digits")
    changing = "(PUT|PATCH|DELETE|POST .*/(services|metadata|startPendingUpload))"
    before = count_requests(place.emulator, changing)
    for name in ("digits", "no_such"):
        with pytest.raises(DeploymentError):
            place.model.deploy(name)
    assert count_requests(place.emulator, changing) == before


@on_both
def test_a_model_without_a_digest_is_not_deployed(place: Place) -> None:
    before = place.sent()
    with pytest.raises(DeploymentError, match=r"digits:1 has no digest, .*: another package has registered it"):
        replace(place.model, sha256="").deploy("digits")
    assert (place.sent(), place.names()) == (before, [])


@on_both
def test_an_invalid_name_is_not_found(place: Place) -> None:
    for name in ("", "../digits", "a b"):
        with pytest.raises(ServiceNotFoundError, match="no service"):
            place.backend.services.get(name)


@on_both
def test_the_sdk_prints_nothing_to_stdout(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.model.deploy("digits").delete()
    assert capsys.readouterr().out == ""


@on_both
def test_ctrl_c_logs_how_to_delete_the_service(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    before, fault = place.sent(), place.emulator.faults.add("slow", match=DEPLOYS[place.name], seconds=2)

    def interrupt() -> None:
        assert fault.happened.wait(LIMIT)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        place.model.deploy("digits")
    thread.join()
    wait_until(lambda: place.sent() > before)  # so that the request does not arrive during the next test
    assert "delete it with mnistlib services delete digits" in caplog.text


@on_v1
def test_without_code_the_server_of_azure_answers(place: Place) -> None:
    service = place.model.deploy("digits", no_code=True)
    assert (service.model, service.status) == ("digits:1", ServiceStatus.RUNNING)
    assert np.array_equal(service.predict(IMAGES), place.model.load().predict(IMAGES))
    answer = requests.post(
        service.scoring_uri,
        data=json.dumps({"data": (IMAGES[:1].reshape(1, -1) / 255).tolist(), "method": "predict"}),
        headers={"Authorization": f"Bearer {service.key}"},
        timeout=LIMIT,
    )
    assert answer.json() == {"predict": place.model.load().predict(IMAGES[:1]).tolist()}


@on_v1
def test_a_model_of_an_unknown_framework_is_not_deployed_without_code(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azureml.core import Model

    monkeypatch.chdir(tmp_path)
    name = f"m-{uuid4().hex[:8]}"
    (tmp_path / "words.txt").write_text("weights")
    Model.register(place.backend.workspace, model_path="words.txt", model_name=name)
    before = place.sent()
    with pytest.raises(DeploymentError, match=f"{name}:1 is not registered with the framework ScikitLearn"):
        place.backend.models.get(name).deploy("words", no_code=True)
    assert place.sent() == before


@on_v1
def test_without_keys_requests_need_no_key(place: Place) -> None:
    service: Any = place.model.deploy("digits", auth=False, cpu_cores=0.5, memory_gb=2.0)
    assert service.key is None
    assert service.predict(IMAGES).shape == (len(IMAGES),)
    given = service.sdk_service.container_resource_requirements
    assert (given.cpu, given.memory_in_gb) == (0.5, 2.0)


@on_v1
def test_a_failed_replacement_keeps_the_service_which_can_be_replaced_again(place: Place) -> None:
    service: Any = place.model.deploy("digits")
    with pytest.raises(DeploymentError, match="The earlier service may have stopped"):
        damaged(place.model).deploy("digits", replace=True)
    assert place.names() == ["digits"]
    assert service.status == "failed"
    place.model.deploy("digits", replace=True)
    assert service.status is ServiceStatus.RUNNING
    assert service.predict(IMAGES).shape == (len(IMAGES),)


@on_v2
def test_traffic_is_moved_in_shares(place: Place) -> None:
    first: Any = place.model.deploy("digits")
    assert first.traffic == {"version-1": 100}
    second = place.backend.attach(place.model.run_id).register_model("digits")
    service: Any = second.deploy("digits", replace=True, traffic=20)
    assert service.traffic == {"version-1": 80, f"version-{second.version}": 20}
    assert service.model == "digits:1"
    assert {answering(service) for _ in range(10)} == set(service.traffic)
    logs = service.logs()
    assert "answers with model digits:1" in logs
    assert f"answers with model {second.id}" in logs
    second.deploy("digits", replace=True)
    (left,) = service.traffic
    assert service.traffic == {left: 100}
    assert left.startswith(f"version-{second.version}-")  # the name without a suffix was still in use
    assert service.model == second.id


def answering(service: Any) -> str:
    """Return the name of the deployment that answers a request."""
    answer = requests.post(
        service.scoring_uri,
        json={"data": (IMAGES[:1].reshape(1, -1) / 255).tolist()},
        headers={"Authorization": f"Bearer {service.key}"},
        timeout=LIMIT,
    )
    assert answer.ok, answer.text
    return answer.headers["azureml-model-deployment"]


@on_v2
def test_the_new_deployment_gets_its_share_and_the_others_the_rest(place: Place) -> None:
    service: Any = place.model.deploy("digits")
    for traffic in (25, 25, 1):
        before = set(service.traffic)
        place.model.deploy("digits", replace=True, traffic=traffic)
        (new,) = set(service.traffic) - before
        assert service.traffic[new] == traffic
        assert sum(service.traffic.values()) == 100


@on_v2
def test_a_deployment_without_traffic_is_deleted_by_the_next(place: Place) -> None:
    service: Any = place.model.deploy("digits")
    place.model.deploy("digits", replace=True, traffic=50)
    client = place.backend.ml_client
    endpoint = client.online_endpoints.get("digits")
    endpoint.traffic = {"version-1": 100}  # as a user can do in the studio
    client.online_endpoints.begin_create_or_update(endpoint).result()
    place.model.deploy("digits", replace=True)
    assert [deployment.name for deployment in client.online_deployments.list("digits")] == list(service.traffic)


@on_v1
@pytest.mark.parametrize("size", [{"cpu_cores": 0}, {"memory_gb": -1}])
def test_a_container_without_positive_size_is_refused(place: Place, size: dict[str, Any]) -> None:
    with pytest.raises(DeploymentError, match="must be more than 0"):
        place.model.deploy("digits", **size)
    assert place.names() == []


@on_v2
def test_a_replacement_that_does_not_start_gets_no_traffic_and_is_deleted(place: Place) -> None:
    service: Any = place.model.deploy("digits")
    for traffic in (100, 50):
        with pytest.raises(DeploymentError, match="It has been deleted"):
            damaged(place.model).deploy("digits", replace=True, traffic=traffic)
        assert service.traffic == {"version-1": 100}
        assert service.predict(IMAGES).shape == (len(IMAGES),)


@on_v2
def test_an_invalid_traffic_share_is_refused(place: Place) -> None:
    with pytest.raises(DeploymentError, match=r"traffic= \(--traffic\) needs an earlier deployment"):
        place.model.deploy("digits", traffic=50)
    for traffic in (0, 101, -1):
        with pytest.raises(DeploymentError, match="traffic must be a whole number from 1 to 100 percent"):
            place.model.deploy("digits", traffic=traffic)
    assert place.names() == []
