"""Environments by the management interface: the same ones as of the other SDK, in another form."""

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, now
from mnistlib.testing.azureml.environments.v1 import definition_of, find, versions_of
from mnistlib.testing.azureml.resource import (
    container_of,
    count_up_to,
    last_parts,
    listing,
    resource,
    routes_of_versions,
)
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store

#: What a version says of itself, beside the definition that decides what it is.
_REMARKS = ("description", "tags", "properties", "isAnonymous", "isArchived", "osType")


class ArmEnvironments:
    """Environments by name and version; a version's definition never changes."""

    def __init__(self, state: State) -> None:
        self._names = state.names
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return routes_of_versions(
            "environments",
            names=self.list_all,
            container=self.container,
            versions=self.versions,
            get=self.get,
            put=self.put,
        )

    async def list_all(self, request: Request) -> Response:
        """List the names."""
        return listing(
            [self._container(name) for name in {known["name"]: 1 for known in self._store.all("environment")}]
        )

    async def container(self, request: Request) -> Response:
        """Describe all versions of a name together."""
        find(self._store, request.path_params["name"])
        return JSONResponse(self._container(request.path_params["name"]))

    async def versions(self, request: Request) -> Response:
        """List the versions of a name, newest first."""
        name = request.path_params["name"]
        known = versions_of(self._store, name)[::-1] or [find(self._store, name)]
        top = int(request.query_params.get("$top") or len(known))
        return listing([self._described(environment) for environment in known[:top]])

    async def get(self, request: Request) -> Response:
        """Describe one version."""
        return JSONResponse(
            self._described(find(self._store, request.path_params["name"], request.path_params["version"]))
        )

    async def put(self, request: Request) -> Response:
        """Register a version. A definition that differs from the registered one is a conflict."""
        properties = (await request.json())["properties"]
        name, version = request.path_params["name"], request.path_params["version"]
        if properties.get("build"):
            raise Refusal(501, "NotImplemented", "the emulator builds no images from a Dockerfile")
        definition = definition_of(name, version, _conda_of(properties), image=properties.get("image"))
        known = self._store.get("environment", f"{name}/{version}")
        if known is not None and known != definition:
            raise Refusal(409, "UserError", f"The environment {name}:{version} exists already, and is another one.")
        count_up_to(self._store, f"environment/{name}", version)
        self._store.put("environment", f"{name}/{version}", definition)
        remarks = {key: properties[key] for key in _REMARKS if properties.get(key) is not None}
        self._store.put("environment_remarks", f"{name}/{version}", remarks | {"created": now()})
        return JSONResponse(self._described(definition), 200 if known else 201)

    def _container(self, name: str) -> Document:
        versions = [known["version"] for known in versions_of(self._store, name)] or ["1"]
        return resource(self._names, f"environments/{name}", container_of(self._store, f"environment/{name}", versions))

    def _described(self, definition: Document) -> Document:
        name, version = definition["name"], definition["version"]
        remarks = self._store.get("environment_remarks", f"{name}/{version}") or {}
        python = definition["python"]
        conda = None if python.get("userManagedDependencies") else python.get("condaDependencies")
        properties = {
            "environmentType": "UserCreated",
            "image": (definition.get("docker") or {}).get("baseImage"),
            "condaFile": None if conda is None else yaml.safe_dump(conda),
            "isAnonymous": False,
            "isArchived": False,
            "tags": {},
            "properties": {},
            "osType": "Linux",
            **{key: value for key, value in remarks.items() if key != "created"},
        }
        path = f"environments/{name}/versions/{version}"
        return resource(self._names, path, properties, created=remarks.get("created"))


def environment_of(store: Store, environment_id: str) -> Document:
    """Return the definition of the environment that an id stands for; refuse if there is none.

    A curated one is sent in the short form, ``azureml:AzureML-NAME:VERSION``.
    """
    short = environment_id.removeprefix("azureml:")
    return find(store, *(last_parts(environment_id, 2) if "/" in short else short.split(":")))


def _conda_of(properties: Document) -> Document | None:
    text = properties.get("condaFile")
    if not text:
        return None
    try:
        conda = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Refusal(400, "UserError", f"The conda file is no YAML: {error}") from error
    if not isinstance(conda, dict):
        raise Refusal(400, "UserError", "The conda file holds no specification.")
    return conda
