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

pytest.importorskip("azureml.core")

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

    def deploy_entry(name: str, code: str, script: str = "score.py", **options: Any) -> Any:
        source = tmp_path / "source"
        (source / script).parent.mkdir(parents=True, exist_ok=True)
        (source / script).write_text(textwrap.dedent(code))
        (source / "beside.py").write_text("word = 'beside'")
        inference = InferenceConfig(
            entry_script=script, source_directory=str(source), environment=environment_of(name="serving")
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


def test_a_script_in_a_folder_imports_from_the_source_directory(deploy: Deploy) -> None:
    service = deploy("nested", "import beside\ndef init(): pass\ndef run(raw): return beside.word", "sub/score.py")
    assert service.run("{}") == "beside"


def test_an_entry_script_that_does_not_start_fails_the_deployment(deploy: Deploy, service: AzureMLEmulator) -> None:
    with pytest.raises(Exception, match="ValueError: no such model"):
        deploy("broken", "def init():\n    raise ValueError('no such model')")


@pytest.fixture
def nearest(workspace: Any, tmp_path: Path, monkeypatch: Any) -> Callable[..., Any]:
    """Registers a model that answers with the nearer of two words."""
    import joblib
    from azureml.core import Model
    from azureml.core.resource_configuration import ResourceConfiguration
    from sklearn import neighbors

    monkeypatch.chdir(tmp_path)
    joblib.dump(neighbors.KNeighborsClassifier(1).fit([[0.0], [1.0]], ["zero", "one"]), "model.pkl")

    def register(framework: str | None, path: str = "model.pkl") -> Any:
        import sklearn

        return Model.register(
            workspace,
            model_path=path,
            model_name="nearest",
            model_framework=framework,
            model_framework_version=sklearn.__version__ if framework else None,
            resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5),
        )

    return register


def test_a_model_of_scikit_learn_needs_no_entry_script(workspace: Any, nearest: Callable[..., Any]) -> None:
    from azureml.core import Model

    service = Model.deploy(workspace, "no-code", [nearest(Model.Framework.SCIKITLEARN)], overwrite=True)
    service.wait_for_deployment()
    assert service.state == "Healthy"
    assert service.run(json.dumps({"data": [[0.9], [0.2]], "method": "predict"})) == {"predict": ["one", "zero"]}
    assert service.run(json.dumps({"data": [[0.9]]})) == {"predict_proba": [[1.0, 0.0]]}
    answer = requests.post(service.scoring_uri, data='{"data": [], "method": "fit"}', timeout=30)
    assert (answer.status_code, "no method fit" in answer.json()) == (500, True)
    service.delete()


def test_without_an_entry_script_a_model_is_one_file(
    workspace: Any, nearest: Callable[..., Any], tmp_path: Path
) -> None:
    from azureml.core import Model

    (tmp_path / "folder").mkdir()
    for name in ("a.pkl", "b.pkl"):
        (tmp_path / "folder" / name).write_bytes(b"")
    service = Model.deploy(workspace, "no-code-2", [nearest(Model.Framework.SCIKITLEARN, "folder")], overwrite=True)
    with pytest.raises(Exception, match="a model is one file, not 2"):
        service.wait_for_deployment()


def test_a_model_of_another_framework_needs_an_entry_script(workspace: Any, nearest: Callable[..., Any]) -> None:
    from azureml.core import Model

    with pytest.raises(Exception, match="must provide an InferenceConfig"):
        Model.deploy(workspace, "no-code-3", [nearest(None)])
    with pytest.raises(Exception, match="does not deploy models of Onnx without an entry script"):
        Model.deploy(workspace, "no-code-4", [nearest(Model.Framework.ONNX)])


def test_an_entry_script_may_answer_with_a_response(deploy: Deploy) -> None:
    service = deploy(
        "responses",
        """
        class Response:  # what Flask's has, which Azure's are
            status_code, headers = 422, {"Content-Type": "application/x-digits"}
            def get_data(self):
                return b"no digits"
        def init(): pass
        def run(raw): return Response()
        """,
    )
    answer = requests.post(service.scoring_uri, data="{}", timeout=30)
    assert (answer.status_code, answer.content) == (422, b"no digits")
    assert answer.headers["Content-Type"] == "application/x-digits"
