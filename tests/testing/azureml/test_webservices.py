"""Models that are deployed, and really answer."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import environment_of

pytest.importorskip("azureml.core", reason="the extra azureml is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")

ENTRY = """\
import json
import os
from pathlib import Path

def init():
    global words
    words = Path(os.environ["AZUREML_MODEL_DIR"], "words.txt").read_text()
    print("init", words)

def run(raw):
    data = json.loads(raw)["data"]
    return {"sum": sum(data), "words": words}
"""

Deploy = Callable[..., Any]


@pytest.fixture
def deploy(workspace: Any, tmp_path: Path, monkeypatch: Any) -> Deploy:
    from azureml.core import Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice

    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("weights")
    model = Model.register(workspace, model_path="words.txt", model_name="words")

    def deploy_entry(name: str, code: str, **options: Any) -> Any:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / "score.py").write_text(textwrap.dedent(code))
        inference = InferenceConfig(
            entry_script="score.py", source_directory=str(source), environment=environment_of(name="serving")
        )
        settings = AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=1, **options)
        service = Model.deploy(workspace, name, [model], inference, settings, overwrite=True)
        service.wait_for_deployment()
        return service

    return deploy_entry


def test_a_deployed_model_answers(workspace: Any, deploy: Deploy) -> None:
    service = deploy("sum-up", ENTRY)
    assert service.state == "Healthy"
    assert service.run(json.dumps({"data": [1, 2, 3]})) == {"sum": 6, "words": "weights"}
    answer = requests.post(service.scoring_uri, data="{}", timeout=30)  # the SDK would try again and again
    assert (answer.status_code, answer.json()) == (500, "KeyError: 'data'")
    assert "init weights" in service.get_logs()
    assert "sum-up" in workspace.webservices
    service.delete()
    assert "sum-up" not in workspace.webservices


def test_a_service_with_keys_asks_for_one(deploy: Deploy) -> None:
    service = deploy("locked", ENTRY, auth_enabled=True)
    assert requests.post(service.scoring_uri, data='{"data": []}', timeout=30).status_code == 401
    assert service.run('{"data": [1]}')["sum"] == 1


def test_an_entry_script_that_does_not_start_fails_the_deployment(deploy: Deploy, service: AzureMLEmulator) -> None:
    with pytest.raises(Exception, match="ValueError: no such model"):
        deploy("broken", "def init():\n    raise ValueError('no such model')")
