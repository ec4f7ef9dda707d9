"""Entry script of a deployed service, mostly without a server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mnistlib
from mnistlib import LocalBackend, ModelError, ScoringError, TrainJob
from mnistlib.backends.azure.deployments import ENTRY_SCRIPT, stage_service
from mnistlib.backends.azure.scoring import refused
from mnistlib.models.client import ScoringClient
from mnistlib.models.version import ModelVersion
from mnistlib.serving.entry import Entry, ServedDescription
from mnistlib.serving.refusals import Refusal

IMAGES = mnistlib.load_dataset("digits").test.images[:4]
REQUEST = json.dumps({"data": (IMAGES.reshape(4, -1) / 255).tolist()})
SERVER = "azureml_inference_server_http.api.aml_response"

on_microsofts_server = pytest.mark.needs("azureml_inference_server_http")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    run = LocalBackend(tmp_path_factory.mktemp("runs")).submit(TrainJob(dataset="digits", tol=1e-1))
    run.wait(60)
    return run.register_model("digits")


@dataclass(frozen=True)
class Place:
    """Folders of the shipped files and of the model."""

    shipped: Path
    models: Path

    @property
    def entry(self) -> Entry:
        return Entry(self.shipped / "service.json", folder=self.models, refused=refused)


@pytest.fixture
def place(model: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "shipped").mkdir()
    stage_service(model).write(tmp_path / "shipped")
    models = tmp_path / "models"
    (models / "digits").mkdir(parents=True)
    (models / "digits" / model.file).write_bytes(model.verified_bytes())
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(models))
    return Place(tmp_path / "shipped", models)


def started(place: Place) -> Entry:
    entry = place.entry
    entry.init()
    return entry


def test_the_tutorials_request_gets_a_list_of_labels(place: Place, model: ModelVersion) -> None:
    answer = started(place).run(REQUEST)
    assert answer == model.load().predict(IMAGES).tolist()
    assert json.loads(json.dumps(answer)) == answer


def test_the_start_message_names_the_model(
    place: Place, model: ModelVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    started(place)
    assert f"answers with model digits:1, SHA-256 {model.sha256}" in capsys.readouterr().out


def test_the_shipped_folder_works_without_this_package_installed(place: Place, model: ModelVersion) -> None:
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('score', {str(place.shipped / ENTRY_SCRIPT)!r})\n"
        "score = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(score)\n"
        "score.init()\n"
        "print(score.run(sys.argv[1]), sys.modules['mnistlib'].__file__)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, REQUEST],
        cwd=place.models, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    last = done.stdout.splitlines()[-1]
    assert last == f"{model.load().predict(IMAGES).tolist()} {place.shipped / 'mnistlib.zip/mnistlib/__init__.py'}"


def test_a_file_that_differs_from_the_deployed_one_is_refused(place: Place, model: ModelVersion) -> None:
    (place.models / "digits" / model.file).write_bytes(b"cposix\nsystem\n(S'false'\ntR.")
    with pytest.raises(ModelError, match=f"digits:1 was changed .*expected SHA-256 {model.sha256}"):
        place.entry.init()


@pytest.mark.parametrize("files", [[], ["a.pkl", "b.pkl"]])
def test_a_model_that_is_not_exactly_one_file_is_refused(place: Place, model: ModelVersion, files: list[str]) -> None:
    (place.models / "digits" / model.file).unlink()
    for name in files:
        (place.models / name).write_bytes(b"")
    with pytest.raises(ModelError, match=f"should be one file in .*, found {len(files)}: {', '.join(files) or 'none'}"):
        place.entry.init()


def test_a_model_without_a_description_is_served(place: Place, model: ModelVersion) -> None:
    description = ServedDescription(model="digits:1", file=model.file, sha256=model.sha256, origin=None)
    (place.shipped / "service.json").write_text(description.to_json())
    assert started(place).run(REQUEST) == model.load().predict(IMAGES).tolist()


def test_a_served_description_is_unchanged_by_json(model: ModelVersion) -> None:
    description = ServedDescription(model="digits:1", file=model.file, sha256=model.sha256, origin=model.origin)
    assert ServedDescription.from_json(description.to_json()) == description


BAD: list[tuple[str, int, str, str | None]] = [
    ("[[", 400, "json", None),
    ("[]", 422, "type", "body"),
    ("{}", 422, "missing", "data"),
    ('{"data": []}', 422, "empty", "data"),
    ('{"data": [[0, 1]]}', 422, "shape", "data[0]"),
    (json.dumps({"data": [[0] * 64, [2] + [0] * 63]}), 422, "range", "data[1][0]"),
]


@pytest.mark.parametrize(("raw", "status", "code", "where"), BAD, ids=[code for _, _, code, _ in BAD])
@on_microsofts_server
def test_a_bad_request_gets_status_and_reason_in_the_servers_response_class(
    place: Place, raw: str, status: int, code: str, where: str | None
) -> None:
    answer: Any = started(place).run(raw)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    error = json.loads(answer.get_data())["error"]
    assert error["code"] == code
    assert error["message"]
    assert where is None or error["where"] == where


@on_microsofts_server
def test_microsofts_server_serves_the_shipped_folder(place: Place, model: ModelVersion) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "azureml_inference_server_http", "--port", str(port)]
    command += ["--entry_script", str(place.shipped / ENTRY_SCRIPT)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, cwd=place.shipped, env=environment, start_new_session=True) as server:
        try:
            until_it_listens(port, server)
            with ScoringClient(f"http://127.0.0.1:{port}/score") as client:
                assert client.predict(IMAGES).tolist() == model.load().predict(IMAGES).tolist()
                with pytest.raises(ScoringError, match=r"answers 422: data\[0\] has 9 numbers, expected 64"):
                    client.predict(IMAGES[:, :3, :3])
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def until_it_listens(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert server.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.05)
        else:
            return


def test_without_a_response_class_a_bad_request_raises_the_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (SERVER, "azureml.contrib.services.aml_response"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Refusal, match="data is empty"):
        started(place).run('{"data": []}')


def test_the_shipment_is_small_and_the_same_for_an_unchanged_model(model: ModelVersion) -> None:
    shipment = stage_service(model)
    assert set(shipment.files) == {ENTRY_SCRIPT, "service.json", "mnistlib.zip"}
    assert sum(shipment.sizes.values()) < 1e6
    assert shipment == stage_service(model)
