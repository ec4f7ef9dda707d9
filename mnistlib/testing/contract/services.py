"""Contract of a backend for its deployed services."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

import mnistlib
from mnistlib.backends.local.services import LocalServices
from mnistlib.errors import DeploymentError, ScoringError, ServiceNotFoundError
from mnistlib.models.service import Service, ServiceStatus
from mnistlib.models.version import ModelVersion
from mnistlib.testing.contract.subjects import Finished

LIMIT = 60  # seconds for an answer


@pytest.fixture
def model(trained: Finished) -> Iterator[ModelVersion]:
    """Yield a registered model of a backend, and delete all services at the end."""
    if isinstance(trained.backend.services, LocalServices):
        for needed in ("starlette", "uvicorn", "orjson"):
            pytest.importorskip(needed, reason="the extra serve is not installed")
    yield trained.run.register_model("digits")
    for service in trained.backend.services.list():
        service.delete()


@dataclass(frozen=True)
class Deployed(Finished):
    """A backend with one service, the service's model, and images to classify."""

    model: ModelVersion
    service: Service
    images: NDArray[np.uint8]


@pytest.fixture
def deployed(trained: Finished, model: ModelVersion) -> Deployed:
    service = model.deploy("digits")
    images = mnistlib.load_dataset("digits").test.images
    return Deployed(trained.backend, trained.expression, trained.run, model, service, images)


def ask(service: Service, content: str, **headers: str) -> requests.Response:
    """Send a request to a service without mnistlib."""
    if service.key is not None:
        headers = {"Authorization": f"Bearer {service.key}"} | headers
    return requests.post(
        service.scoring_uri, data=content, headers={"Content-Type": "application/json"} | headers, timeout=LIMIT
    )


def rows_of(images: NDArray[np.uint8]) -> str:
    return json.dumps({"data": (images.reshape(len(images), -1) / 255).tolist()})


class TestAnswers:
    def test_a_service_predicts_as_its_model_does(self, deployed: Deployed) -> None:
        known = deployed.backend.models.get("digits").load()
        answers = deployed.service.predict(deployed.images)
        assert np.array_equal(answers, known.predict(deployed.images))
        assert deployed.service.predict(deployed.images[:0]).tolist() == []

    def test_the_scoring_uri_accepts_the_tutorials_request(self, deployed: Deployed) -> None:
        images = deployed.images[:3]
        answer = ask(deployed.service, rows_of(images))
        assert answer.status_code == 200, answer.text
        assert answer.json() == deployed.model.load().predict(images).tolist()

    def test_a_service_with_a_key_rejects_requests_without_it(self, deployed: Deployed) -> None:
        if deployed.service.key is None:
            pytest.skip("the service has no key: only this machine can reach it")
        for authorization in ("", "Bearer wrong"):
            answer = ask(deployed.service, rows_of(deployed.images[:1]), Authorization=authorization)
            assert answer.status_code == 401

    def test_images_of_another_shape_are_an_error_with_the_reason(self, deployed: Deployed) -> None:
        with pytest.raises(ScoringError, match=r"has 9 numbers, expected 64|expected \(n, 8, 8\)"):
            deployed.service.predict(np.zeros((2, 3, 3), np.uint8))

    def test_a_bad_request_is_answered_with_the_reason(self, deployed: Deployed) -> None:
        for content, reason in (
            ("[[0.5", "the body is not JSON"),
            ('{"images": []}', 'has no "data"'),
            ('{"data": [[NaN' + ", 0" * 63 + "]]}", "data[0][0] is not a number (NaN)"),
            ('{"data": [[255' + ", 0" * 63 + "]]}", "Pixels from 0 to 255 must be divided by 255"),
        ):
            answer = ask(deployed.service, content)
            assert answer.status_code >= 400
            assert reason in str(answer.json())


class TestHandles:
    def test_a_service_has_name_model_status_and_logs(self, deployed: Deployed) -> None:
        assert deployed.service.name == "digits"
        assert deployed.service.model == deployed.model.id == "digits:1"
        assert deployed.service.status is ServiceStatus.RUNNING
        assert "digits:1" in deployed.service.logs()

    def test_another_process_finds_it(self, deployed: Deployed) -> None:
        code = (
            f"import mnistlib; services = {deployed.expression}.services; service = services.get('digits')\n"
            "images = mnistlib.load_dataset('digits').test.images[:2]\n"
            "print([each.name for each in services.list()], service.model, *service.predict(images))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert (
            done.stdout == f"['digits'] digits:1 {' '.join(map(str, deployed.service.predict(deployed.images[:2])))}\n"
        )

    def test_services_are_listed_by_name(self, trained: Finished, model: ModelVersion) -> None:
        assert list(trained.backend.services.list()) == []
        for name in ("zwei", "eins"):
            model.deploy(name)
        assert [service.name for service in trained.backend.services.list()] == ["eins", "zwei"]

    def test_a_missing_service_is_an_error_that_lists_the_services(self, deployed: Deployed) -> None:
        with pytest.raises(ServiceNotFoundError, match="no service 'letters': there are digits"):
            deployed.backend.services.get("letters")

    def test_deleting_a_service_keeps_its_model(self, deployed: Deployed) -> None:
        other = deployed.backend.services.get("digits")
        deployed.service.delete()
        assert list(deployed.backend.services.list()) == []
        for handle in (deployed.service, other):
            with pytest.raises(ServiceNotFoundError, match="digits"):
                _ = handle.status
            with pytest.raises(ServiceNotFoundError, match="digits"):
                handle.delete()
        with pytest.raises(ServiceNotFoundError, match="nothing has been deployed yet"):
            deployed.backend.services.get("digits")
        assert deployed.backend.models.get("digits").load().predict(deployed.images[:1]).shape == (1,)


class TestNames:
    def test_an_invalid_name_is_an_error(self, trained: Finished, model: ModelVersion) -> None:
        for name in ("", "ab", "a_b", "Digits", "7up", "a-", "a" * 33, "a/b"):
            with pytest.raises(DeploymentError, match="a service's name must be"):
                model.deploy(name)
        assert list(trained.backend.services.list()) == []

    def test_a_name_in_use_is_an_error_with_advice(self, deployed: Deployed) -> None:
        with pytest.raises(DeploymentError, match=r"service 'digits' exists already.*replace=True"):
            deployed.model.deploy("digits")
        assert deployed.service.predict(deployed.images[:1]).shape == (1,)

    def test_a_service_is_replaced_by_another_version(self, deployed: Deployed) -> None:
        second = deployed.run.register_model("digits")
        service = second.deploy("digits", replace=True)
        assert [each.name for each in deployed.backend.services.list()] == ["digits"]
        assert service.model == deployed.service.model == "digits:2"
        assert np.array_equal(service.predict(deployed.images), deployed.model.load().predict(deployed.images))

    def test_replace_deploys_a_missing_service(self, trained: Finished, model: ModelVersion) -> None:
        assert model.deploy("digits", replace=True).status is ServiceStatus.RUNNING

    def test_a_model_of_another_registry_is_an_error(
        self, trained: Finished, model: ModelVersion, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        elsewhere = mnistlib.LocalBackend(tmp_path_factory.mktemp("elsewhere"))
        run = elsewhere.submit(mnistlib.TrainJob(dataset="digits", tol=1e-1))
        run.wait(LIMIT)
        stranger: Any = run.register_model("digits")
        with pytest.raises(DeploymentError, match="registered elsewhere"):
            trained.backend.services.deploy(stranger, "digits")
