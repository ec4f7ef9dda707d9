"""Services on this machine: processes that outlive the deploying process, and are found by any process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from mnistlib import Dataset, LocalBackend, ModelVersion
from mnistlib.errors import DeploymentError, ScoringError, ServiceNotFoundError
from mnistlib.models.artifact import pickle_classifier
from mnistlib.models.interfaces import Registration
from mnistlib.models.registry import ModelRegistry
from mnistlib.models.service import ServiceStatus
from tests.serving.servers import command, environment, needs_server, until

pytestmark = [
    needs_server,
    pytest.mark.skipif(sys.platform == "win32", reason="a service outlives its deployer on POSIX systems only"),
]

DEPLOY = """
import sys, mnistlib
version = mnistlib.LocalBackend(sys.argv[1]).models.get("digits", int(sys.argv[3]))
try:
    print(version.deploy(sys.argv[2], replace="replace" in sys.argv).scoring_uri)
except mnistlib.DeploymentError as error:
    print(error.reason)
    sys.exit(7)
"""


def processes_of(folder: Path) -> list[int]:
    """Return the ids of all serving processes of a runs folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0")
            if b"serve" in words and str(folder).encode() in words:
                found.append(int(place.name))
    return found


@pytest.fixture
def backend(runs_folder: Path, tmp_path: Path) -> Iterator[LocalBackend]:
    """A backend with the models that all tests share, and its own services, which are killed at the end."""
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / ".models").symlink_to(runs_folder / ".models")
    yield LocalBackend(runs)
    for process in processes_of(runs):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def model(backend: LocalBackend) -> ModelVersion:
    return backend.models.get("digits")


def deploy_elsewhere(runs: Path, name: str, version: int = 2, *words: str) -> "subprocess.Popen[str]":
    """Deploy in another process."""
    command = [sys.executable, "-c", DEPLOY, str(runs), name, str(version), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())


def result_of(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=120)
    return process.returncode, output.strip()


def model_that_answers(uri: str) -> str:
    return str(requests.get(uri.removesuffix("/score") + "/health", timeout=60).json()["model"])


def process_of(backend: LocalBackend, name: str) -> int:
    return int((runs_of(backend) / ".services" / name / "process").read_text())


def runs_of(backend: LocalBackend) -> Path:
    return backend.runs_folder


def unfinished(backend: LocalBackend) -> list[str]:
    """Return the temporary folders of services that start or end."""
    return [path.name for path in (runs_of(backend) / ".services").iterdir() if path.is_dir() and path.name[0] == "."]


def test_a_deployed_model_predicts_the_same_labels(backend: LocalBackend, model: ModelVersion, digits: Dataset) -> None:
    service = model.deploy("digits")
    assert service.predict(digits.test.images).tolist() == model.load().predict(digits.test.images).tolist()
    assert service.predict(digits.test.images[:0]).tolist() == []
    assert (service.name, service.model, service.status, service.key) == ("digits", "digits:2", "running", None)
    assert service.scoring_uri.startswith("http://127.0.0.1:")
    requests.post(service.scoring_uri, data=b"{", headers={"Content-Type": "application/json"}, timeout=60)
    assert "400" in service.logs()
    assert [known.name for known in backend.services.list()] == ["digits"]
    service.delete()
    assert backend.services.list() == []
    assert processes_of(runs_of(backend)) == []
    assert unfinished(backend) == []


def test_a_deleted_service_raises_service_not_found(
    backend: LocalBackend, model: ModelVersion, digits: Dataset
) -> None:
    service = model.deploy("digits")
    uri = service.scoring_uri
    backend.services.get("digits").delete()
    calls: list[Callable[[], Any]] = [lambda: service.status, lambda: service.model, service.logs, service.delete]
    calls.append(partial(service.predict, digits.test.images))
    for call in calls:
        with pytest.raises(ServiceNotFoundError, match="'digits'"):
            call()
    with pytest.raises(ServiceNotFoundError, match="nothing has been deployed yet"):
        backend.services.get("digits")
    with pytest.raises(requests.ConnectionError):
        requests.get(uri, timeout=60)


def test_a_service_outlives_the_process_that_deployed_it(backend: LocalBackend, digits: Dataset) -> None:
    status, uri = result_of(deploy_elsewhere(runs_of(backend), "digits"))
    assert status == 0
    service = backend.services.get("digits")
    assert service.scoring_uri == uri
    assert len(service.predict(digits.test.images[:3])) == 3
    service.delete()
    assert processes_of(runs_of(backend)) == []


def test_a_taken_name_is_refused_and_the_service_keeps_running(backend: LocalBackend, model: ModelVersion) -> None:
    service = backend.models.get("digits", 1).deploy("digits")
    process = process_of(backend, "digits")
    with pytest.raises(DeploymentError, match=r"already, with digits:1.*--replace"):
        model.deploy("digits")
    assert (process_of(backend, "digits"), service.status) == (process, ServiceStatus.RUNNING)


def test_a_replaced_service_keeps_only_its_name(backend: LocalBackend, model: ModelVersion) -> None:
    service = backend.models.get("digits", 1).deploy("digits")
    before = service.scoring_uri
    assert model_that_answers(before) == "digits:1"
    assert model.deploy("digits", replace=True).model == service.model == "digits:2"
    assert model_that_answers(service.scoring_uri) == "digits:2"
    assert len(processes_of(runs_of(backend))) == 1
    assert unfinished(backend) == []


def test_the_old_service_keeps_running_if_the_new_one_does_not_start(
    backend: LocalBackend, model: ModelVersion
) -> None:
    service = backend.models.get("digits", 1).deploy("digits")
    with socket.create_server(("127.0.0.1", 0)) as another:
        taken = another.getsockname()[1]
        with pytest.raises(DeploymentError, match="did not start") as caught:
            model.deploy("digits", replace=True, port=taken)
    assert f"port {taken}" in str(caught.value)
    assert model_that_answers(service.scoring_uri) == "digits:1"
    assert len(processes_of(runs_of(backend))) == 1
    assert unfinished(backend) == []


def test_a_replacement_can_use_the_port_of_the_old_service(backend: LocalBackend, model: ModelVersion) -> None:
    uri = backend.models.get("digits", 1).deploy("digits").scoring_uri
    port = urlsplit(uri).port
    assert port
    assert model.deploy("digits", replace=True, port=port).scoring_uri == uri
    assert model_that_answers(uri) == "digits:2"
    assert len(processes_of(runs_of(backend))) == 1
    assert unfinished(backend) == []


def test_replace_also_accepts_an_unused_name(model: ModelVersion) -> None:
    assert model.deploy("digits", replace=True).status == "running"


@pytest.mark.parametrize("name", ["", "ab", "Digits", "a_b", "1st", "ends-", "../up", ".making-x", "a" * 33, "ü-ü"])
def test_an_invalid_service_name_is_refused(backend: LocalBackend, model: ModelVersion, name: str) -> None:
    with pytest.raises(DeploymentError, match="a service's name must be"):
        model.deploy(name)
    with pytest.raises(ServiceNotFoundError, match="no service"):
        backend.services.get(name)


def test_one_of_two_simultaneous_deployments_of_a_name_is_refused(backend: LocalBackend) -> None:
    both = [result_of(process) for process in [deploy_elsewhere(runs_of(backend), "digits", n) for n in (1, 2)]]
    (status, uri), (refused, reason) = sorted(both)
    assert (status, refused) == (0, 7)
    assert "another process is deploying 'digits'" in reason or "already" in reason
    assert model_that_answers(uri) == backend.services.get("digits").model
    assert len(processes_of(runs_of(backend))) == 1


def test_two_names_can_be_deployed_simultaneously(backend: LocalBackend) -> None:
    processes = [deploy_elsewhere(runs_of(backend), name) for name in ("first", "second")]
    assert [result_of(process)[0] for process in processes] == [0, 0]
    assert [service.name for service in backend.services.list()] == ["first", "second"]


def test_a_killed_service_has_failed_and_can_be_deleted_or_replaced(
    backend: LocalBackend, model: ModelVersion, digits: Dataset
) -> None:
    service = model.deploy("digits")
    os.kill(process_of(backend, "digits"), signal.SIGKILL)
    until(lambda: service.status is ServiceStatus.FAILED, "the end of a service")
    with pytest.raises(ScoringError, match="can't be reached"):
        service.predict(digits.test.images)
    assert service.logs().startswith("serving digits:2 on http://127.0.0.1:")
    assert model.deploy("digits", replace=True).status is ServiceStatus.RUNNING
    os.kill(process_of(backend, "digits"), signal.SIGKILL)
    until(lambda: service.status is ServiceStatus.FAILED, "the end of a service")
    service.delete()
    assert backend.services.list() == []


def test_a_process_that_reuses_the_id_of_a_killed_service_is_not_ended(
    backend: LocalBackend, model: ModelVersion
) -> None:
    service = model.deploy("digits")
    os.kill(process_of(backend, "digits"), signal.SIGKILL)
    until(lambda: service.status is ServiceStatus.FAILED, "the end of a service")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as another:
        (runs_of(backend) / ".services" / "digits" / "process").write_text(str(another.pid))
        service.delete()
        assert another.poll() is None
        another.kill()


@pytest.mark.parametrize("has_id", [True, False], ids=["later", "before the process id is written"])
def test_the_next_deployment_cleans_up_after_a_killed_one(backend: LocalBackend, has_id: bool) -> None:
    deploying = deploy_elsewhere(runs_of(backend), "digits")
    until(lambda: processes_of(runs_of(backend)), "a process of the service")
    deploying.kill()
    result_of(deploying)
    (half,) = (runs_of(backend) / ".services").glob(".making-digits.*")
    if not has_id:
        (half / "process").unlink(missing_ok=True)
    assert backend.services.list() == []
    service = backend.models.get("digits").deploy("digits")
    assert processes_of(runs_of(backend)) == [process_of(backend, "digits")]
    assert unfinished(backend) == []
    service.delete()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_deploy_command_ended_by_a_signal_leaves_no_process(backend: LocalBackend, number: int) -> None:
    words = command("deploy", "digits", "--runs", runs_of(backend))
    deploying = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    until(lambda: processes_of(runs_of(backend)), "a process of the service")
    deploying.send_signal(number)
    assert deploying.wait(60) == 128 + number
    assert processes_of(runs_of(backend)) == []
    assert unfinished(backend) == []


def test_a_deployment_cleans_up_after_a_killed_one_of_another_name(backend: LocalBackend) -> None:
    deploying = deploy_elsewhere(runs_of(backend), "digits")
    until(lambda: processes_of(runs_of(backend)), "a process of the service")
    deploying.kill()
    result_of(deploying)
    service = backend.models.get("digits").deploy("another")
    assert processes_of(runs_of(backend)) == [process_of(backend, "another")]
    assert unfinished(backend) == []
    service.delete()


def test_two_simultaneous_deletions_of_a_service_both_end(backend: LocalBackend, model: ModelVersion) -> None:
    model.deploy("digits")
    code = (
        "import sys, mnistlib\n"
        "try: mnistlib.LocalBackend(sys.argv[1]).services.get('digits').delete()\n"
        "except mnistlib.ServiceNotFoundError: sys.exit(3)\n"
    )
    words = [sys.executable, "-c", code, str(runs_of(backend))]
    both = [subprocess.Popen(words, env=environment()) for _ in range(2)]
    assert sorted(process.wait(60) for process in both) in ([0, 3],)
    assert processes_of(runs_of(backend)) == []
    assert unfinished(backend) == []


def test_a_model_of_another_registry_is_refused(backend: LocalBackend, runs_folder: Path, tmp_path: Path) -> None:
    version = LocalBackend(runs_folder).models.get("digits")
    with pytest.raises(DeploymentError, match="registered elsewhere"):
        backend.services.deploy(version, "digits")
    alone = ModelRegistry(tmp_path / "alone").register(Registration(name="m", content=b"", file="m.joblib", run_id=""))
    with pytest.raises(DeploymentError, match="belongs to no backend"):
        alone.deploy("digits")


def test_an_unusable_model_raises_the_reason_and_leaves_no_service(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "runs")
    registry = backend.models
    assert isinstance(registry, ModelRegistry)
    content = pickle_classifier([1, 2])
    version = registry.register(Registration(name="list", content=content, file="list.joblib", run_id="by-hand"))
    with pytest.raises(DeploymentError, match="'list-1' did not start") as caught:
        version.deploy("list-1")
    assert "expected a scikit-learn classifier" in str(caught.value)
    assert backend.services.list() == []
    assert unfinished(backend) == []


def test_a_full_disk_raises_an_error_and_leaves_no_service(backend: LocalBackend) -> None:
    # A limit on the size of files simulates the full disk: the writes fail with real errors.
    code = (
        "import resource, signal, sys, mnistlib\n"
        "version = mnistlib.LocalBackend(sys.argv[1]).models.get('digits')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))\n"
        "version.deploy('digits')\n"
    )
    for most in (0, 80):  # at the first write, and before the service reports that it is ready
        words = [sys.executable, "-c", code, str(runs_of(backend)), str(most)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment(), check=False)
        assert done.returncode == 1
        assert "File too large" in done.stderr or "did not start" in done.stderr
        assert backend.services.list() == []
        assert processes_of(runs_of(backend)) == []


def test_an_unwritable_services_folder_raises_an_error(backend: LocalBackend, model: ModelVersion) -> None:
    (runs_of(backend) / ".services").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"\.services"):
        model.deploy("digits")


def test_a_service_needs_no_token_even_if_one_is_set(
    model: ModelVersion, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNISTLIB_TOKEN", "secret")
    assert len(model.deploy("digits").predict(digits.test.images[:2])) == 2


def test_requests_to_a_local_service_bypass_the_proxy(
    model: ModelVersion, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = model.deploy("digits")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert len(service.predict(digits.test.images[:2])) == 2
