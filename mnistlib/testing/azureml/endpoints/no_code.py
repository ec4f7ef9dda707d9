"""Deployment without an entry script: Azure has a script for each framework, the emulator the one for scikit-learn.

It follows Microsoft's article on deployment without code, the only description: the request is
``{"data": [[...], ...], "method": "predict"}``, the answer ``{"predict": [...]}``. The other method is
``predict_proba``, which is also the default, if the model has it. Azure's environment also has dill, sklearn_pandas and
inference-schema; requests with names of columns are not supported.
"""

from pathlib import Path

from mnistlib.testing.azureml.answers import Refusal, unsupported
from mnistlib.testing.azureml.endpoints.scoring import ScoringError
from mnistlib.testing.azureml.environments.definitions import definition_of
from mnistlib.testing.azureml.store import Document

#: Frameworks with an entry script of Azure's.
_FRAMEWORKS = ("Onnx", "ScikitLearn", "TensorFlow", "Multi")

_ENTRY = """\
import json
import os
import joblib
import numpy

def init():
    global model
    model = joblib.load(os.environ["MODEL_FILE"])

def run(raw):
    asked = json.loads(raw)
    method = asked.get("method") or ("predict_proba" if hasattr(model, "predict_proba") else "predict")
    if method not in ("predict", "predict_proba"):
        raise ValueError(f"there is no method {method}: ask for predict or predict_proba")
    return {method: getattr(model, method)(numpy.array(asked["data"])).tolist()}
"""


def check_framework(models: list[Document]) -> None:
    """Refuse models that cannot be deployed without code.

    Raises
    ------
    Refusal
        Unless it is exactly one model, of a framework that Azure deploys without code and the emulator supports.
    """
    framework = models[0].get("framework") if len(models) == 1 else None
    if framework not in _FRAMEWORKS:
        raise Refusal(
            400,
            "BadRequest",
            f"Without an environment and an entry script one model of {', '.join(_FRAMEWORKS)} can be deployed,"
            f" not {len(models)} of {framework}.",
        )
    if framework != "ScikitLearn":
        raise unsupported(f"the emulator does not deploy models of {framework} without an entry script")


def environment_of(model: Document) -> Document:
    """Return the environment of a model without one of its own."""
    version = model.get("frameworkVersion")
    packages = [f"scikit-learn=={version}" if version else "scikit-learn", "numpy", "joblib", "pandas", "scipy"]
    return definition_of("no-code", "1", {"dependencies": [{"pip": packages}]}, image=None)


def write_entry(folder: Path, models: Path) -> tuple[Path, dict[str, str]]:
    """Write the entry script; return it, and the variable with the path of the model's only file.

    Raises
    ------
    ScoringError
        If the model is more than one file.
    """
    files = sorted(file for file in models.rglob("*") if file.is_file())
    if len(files) != 1:
        raise ScoringError(f"Without an entry script a model is one file, not {len(files)}: register the pickle alone")
    script = folder / "no_code_score.py"
    script.write_text(_ENTRY)
    return script, {"MODEL_FILE": str(files[0])}
