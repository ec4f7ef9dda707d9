"""Environments of azure-ai-ml."""

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, now, unsupported, user_error
from mnistlib.testing.azureml.environments.definitions import ENVIRONMENTS, definition_of, find_environment
from mnistlib.testing.azureml.resource import VersionedResource, missing, route
from mnistlib.testing.azureml.store import Document

#: Properties of a version that its definition does not include.
_REMARKS = ("description", "tags", "properties", "isAnonymous", "isArchived", "osType")


class EnvironmentsV2(VersionedResource):
    """Environments by name and version; the definition of a version never changes."""

    base = "management.azure.com{WORKSPACE}/environments"
    versions = ENVIRONMENTS
    not_covered = (
        missing("PUT", "/{name}", by="v2", purpose="Archive or restore all versions of a name."),
        missing("DELETE", "/{name}/versions/{version}", by="v2", purpose="Delete a version."),
    )

    @route("PUT", "/{name}/versions/{version}", by="v2", unsupported="an environment built from a Dockerfile")
    async def put(self, request: Request) -> Response:
        """Register a version; a definition that differs from the registered one is a conflict."""
        properties = (await request.json())["properties"]
        name, version = self._target(request)
        if properties.get("build"):
            raise unsupported("the emulator does not build images from a Dockerfile")
        definition = definition_of(name, version, _conda_of(properties), image=properties.get("image"))
        known = ENVIRONMENTS.get(self._store, name, version)
        if known is not None and known != definition:
            raise Refusal(409, "UserError", f"The environment {name}:{version} exists already with another definition.")
        ENVIRONMENTS.put(self._store, name, version, definition)
        remarks = {key: properties[key] for key in _REMARKS if properties.get(key) is not None}
        self._store.put("environment_remarks", f"{name}/{version}", remarks | {"created": now()})
        return JSONResponse(self._described(definition), 200 if known else 201)

    def _versions_of(self, name: str) -> list[Document]:
        return super()._versions_of(name) or [find_environment(self._store, name)]

    def _version(self, name: str, version: str) -> Document:
        return find_environment(self._store, name, version)

    def _described(self, document: Document) -> Document:
        remarks = self._store.get("environment_remarks", f"{document['name']}/{document['version']}") or {}
        python = document["python"]
        conda = None if python.get("userManagedDependencies") else python.get("condaDependencies")
        properties = {
            "environmentType": "UserCreated",
            "image": (document.get("docker") or {}).get("baseImage"),
            "condaFile": None if conda is None else yaml.safe_dump(conda),
            "isAnonymous": False,
            "isArchived": False,
            "tags": {},
            "properties": {},
            "osType": "Linux",
            **{key: value for key, value in remarks.items() if key != "created"},
        }
        return self._version_resource(document, properties, created=remarks.get("created"))


def _conda_of(properties: Document) -> Document | None:
    text = properties.get("condaFile")
    if not text:
        return None
    try:
        conda = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise user_error(f"The conda file is not YAML: {error}") from error
    if not isinstance(conda, dict):
        raise user_error("The conda file holds no specification.")
    return conda
