"""Registered models by the management interface: the same ones as of the other SDK, in another form."""

import uuid
from pathlib import PurePosixPath
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found
from mnistlib.testing.azureml.data.assets import path_changed
from mnistlib.testing.azureml.data.blob_locations import Place, job_of, place_of
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.models.v1 import add_asset, add_model, versions_of
from mnistlib.testing.azureml.resource import (
    container_of,
    listing,
    resource,
    routes_of_versions,
)
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store

#: What is kept of a model as it was sent, because the other SDK has no word for it.
_KEPT = ("modelType", "flavors", "isArchived", "stage")


class ArmModels:
    """Models by name and version."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return routes_of_versions(
            "models",
            names=self.list_all,
            container=self.container,
            versions=self.versions,
            get=self.get,
            put=self.put,
            delete=self.delete,
        )

    async def list_all(self, request: Request) -> Response:
        """List the names."""
        return listing([self._container(name) for name in {model["name"]: 1 for model in self._store.all("model")}])

    async def container(self, request: Request) -> Response:
        """Describe all versions of a name together."""
        name = request.path_params["name"]
        if not self._store.last_number(f"model/{name}"):
            raise not_found(f"The model {name}")
        return JSONResponse(self._container(name))

    async def versions(self, request: Request) -> Response:
        """List the versions of a name, newest first."""
        view = request.query_params.get("listViewType", "ActiveOnly").lower()
        wanted = {"archivedonly": (True,), "all": (True, False)}.get(view, (False,))
        known = versions_of(self._store, request.path_params["name"])[::-1]
        shown = [model for model in known if bool((model.get("arm") or {}).get("isArchived")) in wanted]
        return listing(
            [self._described(model) for model in shown[: int(request.query_params.get("$top") or len(shown))]]
        )

    async def get(self, request: Request) -> Response:
        """Describe one version."""
        return JSONResponse(self._described(self._find(request)))

    async def put(self, request: Request) -> Response:
        """Register a version, or change what is said of it; its files stay the ones that they are."""
        properties = (await request.json())["properties"]
        name, version = request.path_params["name"], request.path_params["version"]
        said = {
            "description": properties.get("description"),
            "kvTags": properties.get("tags") or {},
            "properties": properties.get("properties") or {},
            "arm": {key: properties[key] for key in _KEPT if properties.get(key) is not None},
        }
        place = place_of(self._state, properties["modelUri"])
        known = self._store.get("model", f"{name}:{version}")
        if known is not None:
            if model_place(self._store, known) != place:
                raise path_changed()
            return JSONResponse(self._described(self._store.put("model", known["id"], known | said)))
        model = await run_in_threadpool(register, self._state, name, place, version=version, **said)
        return JSONResponse(self._described(model), 201)

    async def delete(self, request: Request) -> Response:
        """Delete a version; its number is not given again."""
        name, version = request.path_params["name"], request.path_params["version"]
        return Response(status_code=200 if self._store.delete("model", f"{name}:{version}") else 204)

    def _find(self, request: Request) -> Document:
        name, version = request.path_params["name"], request.path_params["version"]
        model = self._store.get("model", f"{name}:{version}")
        if model is None:
            raise not_found(f"The model {name}:{version}")
        return model

    def _container(self, name: str) -> Document:
        versions = [str(model["version"]) for model in versions_of(self._store, name)]
        return resource(self._state.names, f"models/{name}", container_of(self._store, f"model/{name}", versions))

    def _described(self, model: Document) -> Document:
        properties = {
            "modelType": "custom_model",
            "modelUri": model_place(self._store, model).uri(self._state.names),
            "description": model.get("description") or "",
            "tags": model.get("kvTags") or {},
            "properties": model.get("properties") or {},
            "jobName": model.get("runId"),
            "isArchived": False,
            "isAnonymous": False,
            "flavors": {},
            **(model.get("arm") or {}),
        }
        path = f"models/{model['name']}/versions/{model['version']}"
        return resource(self._state.names, path, properties, created=model["createdTime"])


def register(state: State, name: str, place: Place, *, version: str | None = None, **said: Any) -> Document:
    """Register what is at a place as a version of a model, the next one unless told."""
    asset = add_asset(state.store, name, [{"prefix": _kept_path(state, place)}])
    run = state.runs.get(job_of(place) or "")
    return add_model(
        state.store,
        name,
        version=version,
        url=f"aml://asset/{asset['id']}",
        mimeType="application/octet-stream",
        unpack=False,
        runId=run["runId"] if run else None,
        experimentName=run["experimentName"] if run else None,
        place=[place.container, place.path],
        **said,
    )


def model_place(store: Store, model: Document) -> Place:
    """Return where a model's files were when it was registered."""
    if model.get("place"):
        container, path = model["place"]
        return Place(container=container, path=path)
    return kept_place(store, model)  # the other SDK registers nothing but what is there


def kept_place(store: Store, model: Document) -> Place:
    """Return where a model's files are among those of runs."""
    asset = store.get("asset", model["url"].removeprefix("aml://asset/")) or {"artifacts": []}
    paths = [artifact.get("prefix") or artifact["id"] for artifact in asset["artifacts"]]
    return Place(container=RUN_CONTAINER, path=paths[0] if len(paths) == 1 else _common(paths))


def _kept_path(state: State, place: Place) -> str:
    """Return where a model's files are among those of runs, which is where the other SDK looks for them."""
    files = list(state.blobs.below(place.container, place.path))
    if not files:
        raise Refusal(400, "UserError", f"There is nothing at {place.path!r} in the container {place.container}.")
    if place.container == RUN_CONTAINER:
        return place.path
    is_file = state.blobs.get(place.container, place.path) is not None
    path = PurePosixPath("LocalUpload", uuid.uuid4().hex, PurePosixPath(place.path).name)
    for name, file in files:
        state.blobs.put_file(RUN_CONTAINER, str(path if is_file else path / name), file)
    return str(path)


def _common(paths: list[str]) -> str:
    """Return the folder that holds all of the paths."""
    parts = zip(*(PurePosixPath(path).parts for path in paths), strict=False)
    return "/".join(same[0] for same in parts if len(set(same)) == 1)
