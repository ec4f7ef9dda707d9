"""MLflow's registry over the same models."""

import re
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal
from mnistlib.testing.azureml.data.blob_locations import job_of, place_of
from mnistlib.testing.azureml.models.v1 import versions_of
from mnistlib.testing.azureml.models.v2 import kept_place, register
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

_OF_ONE_NAME = re.compile(r"name\s*=\s*'(?P<name>[^']*)'")


class MLflowModels:
    """Registered models and their versions as MLflow sees them; a name is there as soon as it is made."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        calls = [
            ("registered-models/create", self.create_name, "POST"),
            ("registered-models/get", self.name, "GET"),
            ("registered-models/search", self.names, "GET"),
            ("registered-models/get-latest-versions", self.latest, "POST"),
            ("model-versions/create", self.create, "POST"),
            ("model-versions/get", self.get, "GET"),
            ("model-versions/search", self.search, "GET"),
            ("model-versions/get-download-uri", self.download, "GET"),
            ("model-versions/set-tag", self.set_tag, "POST"),
        ]
        return [Route(f"/mlflow/api/2.0/mlflow/{path}", call, methods=[method]) for path, call, method in calls]

    async def create_name(self, request: Request) -> Response:
        """Make a name, if there is none yet."""
        name = (await request.json())["name"]
        if not self._store.add("model_name", name, {"name": name}) or versions_of(self._store, name):
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")
        return JSONResponse({"registered_model": self._name(name)})

    async def name(self, request: Request) -> Response:
        """Describe a name."""
        name = request.query_params["name"]
        if not versions_of(self._store, name) and self._store.get("model_name", name) is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
        return JSONResponse({"registered_model": self._name(name)})

    async def names(self, request: Request) -> Response:
        """List the names."""
        known = {found["name"]: 1 for kind in ("model", "model_name") for found in self._store.all(kind)}
        return JSONResponse({"registered_models": [self._name(name) for name in known]})

    async def latest(self, request: Request) -> Response:
        """Return the latest version of a name."""
        name = (await request.json())["name"]
        return JSONResponse({"model_versions": self._name(name)["latest_versions"]})

    async def create(self, request: Request) -> Response:
        """Register what a run has left as the next version of a name."""
        body = await request.json()
        place = place_of(self._state, body["source"])
        tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
        said = {"description": body.get("description"), "kvTags": tags, "properties": {}}
        model = await run_in_threadpool(register, self._state, body["name"], place, **said)
        return JSONResponse({"model_version": self._described(model)})

    async def get(self, request: Request) -> Response:
        """Describe one version."""
        query = request.query_params
        return JSONResponse({"model_version": self._described(self._find(query["name"], query["version"]))})

    async def search(self, request: Request) -> Response:
        """List the versions of one name, or all of them, newest first."""
        wanted = request.query_params.get("filter", "")
        found = _OF_ONE_NAME.fullmatch(wanted)
        if wanted and found is None:
            raise Refusal(501, "NotImplemented", f"the emulator covers no filter of MLflow's but a name: {wanted}")
        models = versions_of(self._store, found["name"]) if found else self._store.all("model")
        return JSONResponse({"model_versions": [self._described(model) for model in models[::-1]]})

    async def download(self, request: Request) -> Response:
        """Say where the files of a version are."""
        query = request.query_params
        return JSONResponse({"artifact_uri": self._source(self._find(query["name"], query["version"]))})

    async def set_tag(self, request: Request) -> Response:
        """Set a version's tag."""
        body = await request.json()
        model = self._find(body["name"], body["version"])
        self._store.put("model", model["id"], model | {"kvTags": {**model["kvTags"], body["key"]: body["value"]}})
        return JSONResponse({})

    def _find(self, name: str, version: str) -> Document:
        model = self._store.get("model", f"{name}:{version}")
        if model is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={name}, version={version}) not found")
        return model

    def _source(self, model: Document) -> str:
        place, names = kept_place(self._store, model), self._state.names
        run = self._state.runs.get(job_of(place) or "")
        if run is None:
            return f"azureml://artifacts/{place.path}"
        path = place.path.removeprefix(f"ExperimentRun/dcid.{run['runId']}")
        return (
            f"azureml://{names.api_host}/artifact/v2.0{names.resource}"
            f"/experiments/{run['experimentName']}/runs/{run['runId']}/artifacts{path}"
        )

    def _name(self, name: str) -> Document:
        latest = versions_of(self._store, name)[-1:]
        return {"name": name, "latest_versions": [self._described(model) for model in latest], "tags": []}

    def _described(self, model: Document) -> Document:
        return {
            "name": model["name"],
            "version": str(model["version"]),
            "creation_timestamp": int(datetime.fromisoformat(model["createdTime"]).timestamp() * 1000),
            "description": model.get("description") or "",
            "source": self._source(model),
            "run_id": model.get("runId") or "",
            "status": "READY",
            "current_stage": "None",
            "tags": [{"key": key, "value": value} for key, value in (model.get("kvTags") or {}).items()],
        }
