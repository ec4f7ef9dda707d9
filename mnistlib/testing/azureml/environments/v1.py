"""Registered environments."""

import json
import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found, page
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store

#: Microsoft's own environments for scikit-learn. Their names change from year to year; all mean the same here.
_CURATED = re.compile(r"AzureML-(sklearn|tutorial|minimal|scikit-learn)[\w.-]*", re.IGNORECASE)


class Environments:
    """Environments by name and version."""

    def __init__(self, state: State) -> None:
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/environment/environments/", self.list_all),
            Route("/environment/environments/{name}", self.put, methods=["PUT"]),
            Route("/environment/environments/{name}", self.get),
            Route("/environment/environments/{name}/versions/{version}", self.put, methods=["PUT"]),
            Route("/environment/environments/{name}/versions/{version}", self.get),
        ]

    async def put(self, request: Request) -> Response:
        """Register an environment: a new version only where something has changed."""
        name = request.path_params["name"]
        # Sent with a capital letter here and there, and read with a small one.
        definition = {key[:1].lower() + key[1:]: value for key, value in (await request.json()).items()}
        definition |= {"name": name, "version": None}
        latest = versions_of(self._store, name)[-1:]
        if latest and _same(latest[0], definition):
            return JSONResponse(latest[0])
        version = request.path_params.get("version") or str(self._store.next_number(f"environment/{name}"))
        definition["version"] = version
        return JSONResponse(self._store.put("environment", f"{name}/{version}", definition))

    async def get(self, request: Request) -> Response:
        """Describe one version, the latest unless told."""
        return JSONResponse(find(self._store, request.path_params["name"], request.path_params.get("version")))

    async def list_all(self, request: Request) -> Response:
        """List the latest version of each."""
        return page(list({known["name"]: known for known in self._store.all("environment")}.values()))


def versions_of(store: Store, name: str) -> list[Document]:
    """Return what is registered under a name, oldest first."""
    return store.all("environment", prefix=f"{name}/")


def find(store: Store, name: str, version: str | None = None) -> Document:
    """Return one version of an environment, the latest unless told; refuse if there is none."""
    found = [known for known in versions_of(store, name) if version in (None, known["version"])]
    if found:
        return found[-1]
    if _CURATED.fullmatch(name) and version in (None, "1"):
        return _curated(name)
    raise not_found(f"The environment {name}{f', version {version},' if version else ''}")


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


def _same(one: Document, other: Document) -> bool:
    def text(definition: Document) -> str:
        return json.dumps(definition | {"version": None}, sort_keys=True)

    return text(one) == text(other)


def _curated(name: str) -> Document:
    packages = ["azureml-defaults", "scikit-learn", "joblib", "pandas", "numpy", "scipy", "matplotlib"]
    conda = {"channels": ["conda-forge"], "dependencies": ["python=3.11", {"pip": packages}], "name": "curated"}
    return definition_of(name, "1", conda, image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04")
