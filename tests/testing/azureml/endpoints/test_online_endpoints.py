"""Online endpoints through azure-ai-ml: models that are deployed, and really answer."""

import functools
import json
import os
import signal
import textwrap
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

pytest.importorskip("azure.ai.ml")

from azure.ai.ml import MLClient
from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mnistlib.testing.azureml import AzureMLEmulator
from mnistlib.testing.azureml.names import MANAGEMENT_HOST
from tests.testing.azureml.steps import ask, is_alive, killable, wait_until
from tests.testing.azureml.v2 import connect, environment_of, new_name

pytestmark = pytest.mark.filterwarnings("ignore")

SERVER = "azureml-inference-server-http"

ENTRY = """\
import json
import os
from pathlib import Path
from words import greeting

def init():
    global words
    words = Path(os.environ["AZUREML_MODEL_DIR"], "words.txt").read_text()
    print("init", words)

def run(raw):
    data = json.loads(raw)["data"]
    return {"sum": sum(data), "words": words, "greeting": greeting, "here": os.path.exists("words.py")}
"""

Deploy = Callable[..., Any]

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it looks for processes in /proc")


def new_endpoint_name() -> str:
    return f"e-{uuid.uuid4().hex[:10]}"


def make_endpoint(client: Any) -> Any:
    settings = ManagedOnlineEndpoint(name=new_endpoint_name(), auth_mode="key")
    return client.online_endpoints.begin_create_or_update(settings).result()


def deploy_to(client: Any, endpoint: Any, folder: Path, name: str, code: str = ENTRY, **options: Any) -> Any:
    """Deploy a script, given as text, with a model of one file."""
    (folder / "words.txt").write_text("weights")
    source = folder / name
    source.mkdir(exist_ok=True)
    (source / "score.py").write_text(textwrap.dedent(code))
    (source / "words.py").write_text(f"greeting = 'hello from {name}'\n")
    given = {
        "model": Model(name=f"words-{endpoint.name}", version="1", path=str(folder / "words.txt")),
        "environment": environment_of(SERVER),
        "code_configuration": CodeConfiguration(code=str(source), scoring_script="score.py"),
        "instance_type": "Standard_DS3_v2",
        "instance_count": 1,
    }
    settings = ManagedOnlineDeployment(name=name, endpoint_name=endpoint.name, **(given | options))
    return client.online_deployments.begin_create_or_update(settings).result()


@pytest.fixture
def endpoint(client: Any) -> Iterator[Any]:
    made = make_endpoint(client)
    yield made
    client.online_endpoints.begin_delete(made.name).result()


@pytest.fixture
def deploy(client: Any, endpoint: Any, tmp_path: Path) -> Deploy:
    return functools.partial(deploy_to, client, endpoint, tmp_path)


def lead(client: Any, endpoint: Any, **traffic: int) -> None:
    endpoint.traffic = traffic
    client.online_endpoints.begin_create_or_update(endpoint).result()


def test_a_deployed_model_answers(client: Any, endpoint: Any, deploy: Deploy, tmp_path: Path) -> None:
    deployment = deploy("blue")
    assert deployment.provisioning_state == "Succeeded"
    lead(client, endpoint, blue=100)
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"data": [1, 2, 3]}))
    answer = json.loads(client.online_endpoints.invoke(endpoint.name, request_file=str(request)))
    assert answer == {"sum": 6, "words": "weights", "greeting": "hello from blue", "here": True}
    assert "init weights" in client.online_deployments.get_logs("blue", endpoint.name, lines=50)
    assert client.online_endpoints.get(endpoint.name).traffic == {"blue": 100}
    assert [found.name for found in client.online_deployments.list(endpoint.name)] == ["blue"]
    assert endpoint.name in [found.name for found in client.online_endpoints.list()]
    assert client.online_deployments.get("blue", endpoint.name).provisioning_state == "Succeeded"


def send(endpoint: Any, key: str, data: Any = None, **headers: str) -> requests.Response:
    """Ask an endpoint as no SDK would: without a second try, and with headers that no other call has left behind."""
    given = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return requests.post(endpoint.scoring_uri, json={"data": [1]} if data is None else data, headers=given, timeout=30)


@pytest.fixture
def key(client: Any, endpoint: Any) -> str:
    return str(client.online_endpoints.get_keys(endpoint.name).primary_key)


def test_an_endpoint_has_a_host_and_asks_for_its_key(client: Any, endpoint: Any, deploy: Deploy, key: str) -> None:
    deploy("blue")
    lead(client, endpoint, blue=100)
    assert endpoint.scoring_uri == f"https://{endpoint.name}.eastus.inference.ml.azure.com/score"
    assert requests.post(endpoint.scoring_uri, json={"data": [1]}, timeout=30).status_code == 401
    assert send(endpoint, "another").status_code == 401
    assert send(endpoint, key).json()["sum"] == 1


def test_a_new_key_takes_the_place_of_the_old_one(client: Any, endpoint: Any, key: str) -> None:
    client.online_endpoints.begin_regenerate_keys(endpoint.name, key_type="primary").result()
    new = client.online_endpoints.get_keys(endpoint.name)
    assert new.primary_key != key
    assert send(endpoint, key).status_code == 401
    assert send(endpoint, new.secondary_key).status_code == 404  # the key is right, and there is nothing to lead to


@pytest.mark.parametrize("mode", ["aml_token", "aad_token"])
def test_an_endpoint_with_tokens_opens_to_a_token(client: Any, mode: str) -> None:
    settings = ManagedOnlineEndpoint(name=new_endpoint_name(), auth_mode=mode)
    endpoint = client.online_endpoints.begin_create_or_update(settings).result()
    assert endpoint.auth_mode == mode
    token = client.online_endpoints.get_keys(endpoint.name).access_token
    assert send(endpoint, token).status_code == 404
    assert send(endpoint, token[:-1]).status_code == 401
    client.online_endpoints.begin_delete(endpoint.name).result()


def test_traffic_is_shared_as_it_was_asked(client: Any, endpoint: Any, deploy: Deploy, key: str) -> None:
    deploy("blue")
    deploy("green")
    assert "No deployment" in send(endpoint, key).text
    lead(client, endpoint, blue=90, green=10)
    greetings = [send(endpoint, key).json()["greeting"] for _ in range(20)]
    assert greetings.count("hello from green") == 2
    assert greetings.count("hello from blue") == 18


def test_a_header_picks_the_deployment(client: Any, endpoint: Any, deploy: Deploy, key: str) -> None:
    deploy("blue")
    deploy("green")
    lead(client, endpoint, blue=100, green=0)
    assert send(endpoint, key, azureml_model_deployment="green").json()["greeting"] == "hello from green"
    assert send(endpoint, key, azureml_model_deployment="red").status_code == 404


@pytest.mark.parametrize("traffic", [{"red": 100}, {"blue": 50}])
def test_traffic_that_leads_nowhere_is_refused(
    client: Any, endpoint: Any, deploy: Deploy, traffic: dict[str, int]
) -> None:
    deploy("blue")
    with pytest.raises(HttpResponseError, match=r"has no deployment red|must add up to 100"):
        lead(client, endpoint, **traffic)


def test_a_deployment_with_traffic_can_not_be_deleted(client: Any, endpoint: Any, deploy: Deploy) -> None:
    deploy("blue")
    lead(client, endpoint, blue=100)
    with pytest.raises(HttpResponseError, match="gets 100 % of the traffic"):
        client.online_deployments.begin_delete("blue", endpoint.name)
    lead(client, endpoint, blue=0)
    client.online_deployments.begin_delete("blue", endpoint.name).result()
    with pytest.raises(ResourceNotFoundError):
        client.online_deployments.get("blue", endpoint.name)


def test_an_entry_script_that_does_not_start_fails_the_deployment(client: Any, endpoint: Any, deploy: Deploy) -> None:
    with pytest.raises(HttpResponseError, match="ValueError: no such model"):
        deploy("broken", "def init():\n    raise ValueError('no such model')\ndef run(raw): pass")
    assert client.online_deployments.get("broken", endpoint.name).provisioning_state == "Failed"
    assert "no such model" in client.online_deployments.get_logs("broken", endpoint.name, lines=1)
    repaired = deploy("broken")
    assert repaired.provisioning_state == "Succeeded"


def test_an_error_of_the_script_is_the_models(client: Any, endpoint: Any, deploy: Deploy, key: str) -> None:
    deploy("blue")
    lead(client, endpoint, blue=100)
    answer = send(endpoint, key, data={"digits": []})
    assert (answer.status_code, answer.json()) == (424, {"message": "KeyError: 'data'"})
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
    assert send(endpoint, key).json()["sum"] == 1


def test_a_script_that_ends_is_started_again(client: Any, endpoint: Any, deploy: Deploy, key: str) -> None:
    code = "import json, os\ndef init(): pass\ndef run(raw): return json.loads(raw)['data'] or os._exit(1)"
    deploy("blue", code)
    lead(client, endpoint, blue=100)
    assert send(endpoint, key, data={"data": []}).status_code == 424
    assert send(endpoint, key).json() == [1]


RESPONSES = """import json

class Response:  # what Flask's has, which the inference server's are
    def __init__(self, body, status, headers):
        self.body, self.status_code, self.headers = body, status, headers
    def get_data(self):
        return self.body

def init():
    pass

def run(raw):
    status = json.loads(raw)["data"][0]
    return Response(b"\\x00digits", status, {"Content-Type": "application/x-digits", "Retry-After": "7"})
"""


def test_a_script_may_answer_with_a_response(client: Any, endpoint: Any, deploy: Deploy, key: str) -> None:
    deploy("blue", RESPONSES)
    lead(client, endpoint, blue=100)
    answer = send(endpoint, key, data={"data": [200]})
    assert (answer.status_code, answer.content) == (200, b"\x00digits")
    assert (answer.headers["Content-Type"], answer.headers["Retry-After"]) == ("application/x-digits", "7")
    refused = send(endpoint, key, data={"data": [422]})
    assert (refused.status_code, refused.content) == (424, b"\x00digits")
    assert refused.headers["ms-azureml-model-error-statuscode"] == "422"


def test_what_is_no_text_is_refused(endpoint: Any, deploy: Deploy, key: str) -> None:
    deploy("blue")
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "blue"}
    answer = requests.post(endpoint.scoring_uri, data=b"\xff", headers=headers, timeout=30)
    assert answer.headers["ms-azureml-model-error-statuscode"] == "400"
    assert "UTF-8" in answer.json()["message"]


def test_model_and_environment_may_be_registered(client: Any, endpoint: Any, deploy: Deploy, tmp_path: Path) -> None:
    environment = client.environments.create_or_update(environment_of(SERVER, name=new_name("env"), version="3"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "words.txt").write_text("folder")
    model = client.models.create_or_update(Model(name=new_name("model"), path=str(tmp_path / "weights")))
    code = """
        import os
        def init(): pass
        def run(raw):
            place = os.environ["AZUREML_MODEL_DIR"]
            return place.split("/")[-3:] + os.listdir(place + "/weights") + [os.environ["COLOUR"]]
    """
    deploy(
        "blue",
        code,
        model=f"azureml:{model.name}:1",
        environment=f"azureml:{environment.name}:3",
        environment_variables={"COLOUR": "blue"},
    )
    key = client.online_endpoints.get_keys(endpoint.name).primary_key
    answer = send(endpoint, key, azureml_model_deployment="blue").json()
    assert answer == ["azureml-models", model.name, "1", "words.txt", "blue"]


def test_a_deployment_sees_only_the_packages_that_it_asked_for(endpoint: Any, deploy: Deploy) -> None:
    with pytest.raises(HttpResponseError, match="No module named 'sklearn'"):
        deploy("blue", "import sklearn\ndef init(): pass\ndef run(raw): pass")


def test_an_environment_without_a_server_is_refused(endpoint: Any, deploy: Deploy) -> None:
    with pytest.raises(HttpResponseError, match="add azureml-inference-server-http"):
        deploy("blue", environment=environment_of("numpy"))


def test_a_model_without_a_script_is_refused(endpoint: Any, deploy: Deploy) -> None:
    with pytest.raises(HttpResponseError, match="needs a code configuration"):
        deploy("blue", code_configuration=None)


def test_a_deployment_of_nothing_is_refused(endpoint: Any, deploy: Deploy) -> None:
    with pytest.raises(ResourceNotFoundError):
        deploy("blue", model="azureml:nothing:1")


def test_what_belongs_to_no_endpoint_is_refused(service: AzureMLEmulator, client: Any) -> None:
    wrong = ask(service, "", "/onlineEndpoints/a_b", method="PUT", body={"properties": {}}, host=MANAGEMENT_HOST)
    assert wrong.status_code == 400
    assert "not a valid name for an endpoint" in wrong.text
    with pytest.raises(ResourceNotFoundError):
        client.online_endpoints.get("nobodys")


def test_a_deployment_that_is_deleted_while_it_answers_ends(
    client: Any, endpoint: Any, deploy: Deploy, key: str, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    code = f"""
        import pathlib, time
        def init(): pass
        def run(raw):
            pathlib.Path({str(started)!r}).touch()
            time.sleep(600)
    """
    deploy("slow", code)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(send, endpoint, key, azureml_model_deployment="slow")
        wait_until(started.exists)
        client.online_deployments.begin_delete("slow", endpoint.name).result()
        assert answer.result(timeout=30).status_code == 424


@needs_proc
def test_an_endpoint_that_is_deleted_while_a_deployment_starts_ends_it(
    client: Any, endpoint: Any, deploy: Deploy, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    code = f"""
        import os, pathlib, time
        def init():
            pathlib.Path({str(started)!r}).write_text(str(os.getpid()))
            time.sleep(600)
        def run(raw): pass
    """
    with ThreadPoolExecutor() as pool:
        deployed = pool.submit(deploy, "slow", code)
        wait_until(lambda: started.exists() and started.read_text())
        assert client.online_deployments.get("slow", endpoint.name).provisioning_state == "Creating"
        client.online_endpoints.begin_delete(endpoint.name).result()
        with pytest.raises(ResourceNotFoundError):
            deployed.result(timeout=30)
    assert not is_alive(int(started.read_text()))


PROCESSES = """\
import os, subprocess, sys
def init():
    global other
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
def run(raw):
    return [os.getpid(), other.pid]
"""


@needs_proc
def test_an_endpoint_that_is_deleted_ends_its_processes(client: Any, endpoint: Any, deploy: Deploy, key: str) -> None:
    deploy("blue", PROCESSES)
    processes = send(endpoint, key, azureml_model_deployment="blue").json()
    assert all(map(is_alive, processes))
    client.online_endpoints.begin_delete(endpoint.name).result()
    wait_until(lambda: not any(map(is_alive, processes)))
    assert send(endpoint, key).status_code == 404


@needs_proc
@pytest.mark.needs("azure.identity")
def test_a_service_that_was_killed_leaves_no_process_and_its_endpoints_answer_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.identity import DefaultAzureCredential

    folder = tmp_path / "state"
    with killable(folder, monkeypatch) as process:
        path = str(folder / "config.json")
        client = MLClient.from_config(DefaultAzureCredential(), path=path, show_progress=False)
        endpoint = make_endpoint(client)
        deploy_to(client, endpoint, tmp_path, "blue", PROCESSES)
        lead(client, endpoint, blue=100)
        key = client.online_endpoints.get_keys(endpoint.name).primary_key
        processes = send(endpoint, key).json()
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, processes)))
    with AzureMLEmulator(folder) as service:
        assert connect(service).online_endpoints.get_keys(endpoint.name).primary_key == key
        others = send(endpoint, key).json()
        assert all(map(is_alive, others))
        assert not set(others) & set(processes)
    wait_until(lambda: not any(map(is_alive, others)))
