"""Registered environments: one form of definition for both generations of the SDK."""

import re

from mnistlib.testing.azureml.answers import not_found
from mnistlib.testing.azureml.parameters import last_parts
from mnistlib.testing.azureml.store import Document, Store
from mnistlib.testing.azureml.versions import Versions

ENVIRONMENTS = Versions(kind="environment", noun="environment")

#: Microsoft's own environments for scikit-learn. Their names change from year to year; here all are treated alike.
_CURATED = re.compile(r"AzureML-(sklearn|tutorial|minimal|scikit-learn)[\w.-]*", re.IGNORECASE)


def find_environment(store: Store, name: str, version: str | None = None) -> Document:
    """Return the definition of an environment, of the latest version by default; refuse an unknown one."""
    found = [known for known in ENVIRONMENTS.of(store, name) if version in (None, known["version"])]
    if found:
        return found[-1]
    if _CURATED.fullmatch(name) and version in (None, "1"):
        return _curated(name)
    raise not_found(f"The environment {name}{f', version {version},' if version else ''}")


def environment_of(store: Store, environment_id: str) -> Document:
    """Return the definition that an id of azure-ai-ml stands for; refuse an unknown one.

    A curated environment is sent in the short form, ``azureml:AzureML-NAME:VERSION``.
    """
    short = environment_id.removeprefix("azureml:")
    return find_environment(store, *(last_parts(environment_id, 2) if "/" in short else short.split(":")))


def definition_of(name: str, version: str, conda: Document | None, *, image: str | None) -> Document:
    """Return the definition of an environment: a conda specification, if there is one, on an image."""
    return {
        "name": name,
        "version": version,
        "python": {
            "interpreterPath": "python",
            "userManagedDependencies": conda is None,
            "condaDependencies": conda or {},
        },
        "environmentVariables": {},
        "docker": {"baseImage": image, "platform": {}},
        "spark": {"repositories": [], "packages": [], "precachePackages": True},
        "inferencingStackVersion": None,
    }


def _curated(name: str) -> Document:
    packages = ["azureml-defaults", "scikit-learn", "joblib", "pandas", "numpy", "scipy", "matplotlib"]
    conda = {"channels": ["conda-forge"], "dependencies": ["python=3.11", {"pip": packages}], "name": "curated"}
    return definition_of(name, "1", conda, image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04")
