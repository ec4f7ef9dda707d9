"""Models that are deployed without an entry script: Azure has one for each framework, and here is that of scikit-learn.

It is made after Microsoft's article on deployment without code, the only place that describes it: the request is
``{"data": [[...], ...], "method": "predict"}``, the answer ``{"predict": [...]}``. The other method is
``predict_proba``, and that is the one for a request that names none, if the model has it. What Azure runs has dill,
sklearn_pandas and inference-schema besides; requests by the names of columns are not covered.
"""

from pathlib import Path

from mnistlib.testing.azureml.answers import Refusal
from mnistlib.testing.azureml.endpoints.scoring import ScoringError
from mnistlib.testing.azureml.environments.v1 import definition_of
from mnistlib.testing.azureml.store import Document

#: The frameworks that Azure has an entry script for.
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
    """Refuse what can't be deployed without code.

    Raises
    ------
    Refusal
        If it is not exactly one model, of a framework that Azure deploys without code and that is covered here.
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
        raise Refusal(501, "NotImplemented", f"the emulator deploys no model of {framework} without an entry script")


def environment_of(model: Document) -> Document:
    """Return the environment of a model that comes without one."""
    version = model.get("frameworkVersion")
    packages = [f"scikit-learn=={version}" if version else "scikit-learn", "numpy", "joblib", "pandas", "scipy"]
    return definition_of("no-code", "1", {"dependencies": [{"pip": packages}]}, image=None)


def write_entry(folder: Path, models: Path) -> tuple[Path, dict[str, str]]:
    """Write the entry script; return it, and the variable that tells it where the only file of a model is.

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
