"""Online endpoints through azure-ai-ml: models that are deployed, and really answer."""

import json
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml", reason="azure-ai-ml is not installed")

from azure.ai.ml.entities import (
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)

from tests.testing.azureml.v2 import environment_of, new_name

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


def new_endpoint_name() -> str:
    return f"e-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def endpoint(client: Any) -> Any:
    made = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=new_endpoint_name(), auth_mode="key")
    ).result()
    yield made
    client.online_endpoints.begin_delete(made.name).result()


@pytest.fixture
def deploy(client: Any, endpoint: Any, tmp_path: Path) -> Deploy:
    (tmp_path / "words.txt").write_text("weights")
    model = client.models.create_or_update(Model(name=new_name("model"), path=str(tmp_path / "words.txt")))

    def deploy_entry(name: str, code: str = ENTRY, **options: Any) -> Any:
        source = tmp_path / name
        source.mkdir(exist_ok=True)
        (source / "score.py").write_text(textwrap.dedent(code))
        (source / "words.py").write_text(f"greeting = 'hello from {name}'\n")
        given = {
            "model": model,
            "environment": environment_of(SERVER),
            "code_configuration": CodeConfiguration(code=str(source), scoring_script="score.py"),
            "instance_type": "Standard_DS3_v2",
            "instance_count": 1,
        }
        settings = ManagedOnlineDeployment(name=name, endpoint_name=endpoint.name, **(given | options))
        return client.online_deployments.begin_create_or_update(settings).result()

    return deploy_entry


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
