"""MLflow's registry, over the same models."""

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, milliseconds, unsupported
from mnistlib.testing.azureml.data.blob_locations import location_of
from mnistlib.testing.azureml.data.blobs import run_blob
from mnistlib.testing.azureml.models.registry import MODELS, kept_location, register
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

_OF_ONE_NAME = re.compile(r"name\s*=\s*'(?P<name>[^']*)'")


class MLflowModels(Resource):
    """Registered models and their versions in MLflow's form; a name may exist without versions."""

    base = "{region}.api.azureml.ms/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow"
    not_covered = (
        missing("DELETE", "/registered-models/delete", by="MLflow", purpose="Delete a name."),
        missing("POST", "/registered-models/rename", by="MLflow", purpose="Rename a name."),
        missing("POST", "/registered-models/set-tag", by="MLflow", purpose="Set a tag of a name."),
        missing("POST", "/registered-models/alias", by="MLflow", purpose="Set an alias of a version."),
        missing("DELETE", "/model-versions/delete", by="MLflow", purpose="Delete a version."),
        missing("PATCH", "/model-versions/update", by="MLflow", purpose="Change the description of a version."),
        missing("POST", "/model-versions/transition-stage", by="MLflow", purpose="Change the stage of a version."),
    )

    @route("POST", "/registered-models/create", by="MLflow")
    async def create_name(self, request: Request) -> Response:
        """Create a name, unless it is taken."""
        name = (await request.json())["name"]
        if not self._store.add("model_name", name, {"name": name}) or MODELS.of(self._store, name):
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")
        return JSONResponse({"registered_model": self._name(name)})

    @route("GET", "/registered-models/get", by="MLflow")
    async def name(self, request: Request) -> Response:
        """Describe a name."""
        name = request.query_params["name"]
        if not MODELS.of(self._store, name) and self._store.get("model_name", name) is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
        return JSONResponse({"registered_model": self._name(name)})

    @route("GET", "/registered-models/search", by="MLflow")
    async def names(self, request: Request) -> Response:
        """List the names."""
        known = {found["name"]: 1 for kind in ("model", "model_name") for found in self._store.all(kind)}
        return JSONResponse({"registered_models": [self._name(name) for name in known]})

    @route("POST", "/registered-models/get-latest-versions", by="MLflow")
    async def latest(self, request: Request) -> Response:
        """Return the latest version of a name."""
        name = (await request.json())["name"]
        return JSONResponse({"model_versions": self._name(name)["latest_versions"]})

    @route("POST", "/model-versions/create", by="MLflow")
    async def create(self, request: Request) -> Response:
        """Register files of a run as the next version of a name."""
        body = await request.json()
        location = location_of(self._state, body["source"])
        tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
        fields = {"description": body.get("description"), "kvTags": tags, "properties": {}}
        model = await run_in_threadpool(register, self._state, body["name"], location, **fields)
        return JSONResponse({"model_version": self._described(model)})

    @route("GET", "/model-versions/get", by="MLflow")
    async def get(self, request: Request) -> Response:
        """Describe one version."""
        query = request.query_params
        return JSONResponse({"model_version": self._described(self._version(query["name"], query["version"]))})

    @route("GET", "/model-versions/search", by="MLflow", unsupported="a filter other than name = 'NAME'")
    async def search(self, request: Request) -> Response:
        """List the versions of one name, or all of them, newest first."""
        wanted = request.query_params.get("filter", "")
        found = _OF_ONE_NAME.fullmatch(wanted)
        if wanted and found is None:
            raise unsupported(f"the emulator does not support this MLflow filter, only a name: {wanted}")
        models = MODELS.of(self._store, found["name"]) if found else self._store.all("model")
        return JSONResponse({"model_versions": [self._described(model) for model in models[::-1]]})

    @route("GET", "/model-versions/get-download-uri", by="MLflow")
    async def download(self, request: Request) -> Response:
        """Return the address of the files of a version."""
        query = request.query_params
        return JSONResponse({"artifact_uri": self._source(self._version(query["name"], query["version"]))})

    @route("POST", "/model-versions/set-tag", by="MLflow")
    async def set_tag(self, request: Request) -> Response:
        """Set a tag of a version."""
        body = await request.json()
        model = self._version(body["name"], body["version"])
        self._store.put("model", model["id"], model | {"kvTags": {**model["kvTags"], body["key"]: body["value"]}})
        return JSONResponse({})

    def _version(self, name: str, version: str) -> Document:
        model = MODELS.get(self._store, name, version)
        if model is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={name}, version={version}) not found")
        return model

    def _source(self, model: Document) -> str:
        location = kept_location(self._store, model)
        run = self._runs.get(location.job or "")
        if run is None:
            return f"azureml://artifacts/{location.path}"
        return self._runs.artifact_uri(run) + location.path.removeprefix(run_blob(run["runId"]).rstrip("/"))

    def _name(self, name: str) -> Document:
        latest = MODELS.of(self._store, name)[-1:]
        return {"name": name, "latest_versions": [self._described(model) for model in latest], "tags": []}

    def _described(self, model: Document) -> Document:
        return {
            "name": model["name"],
            "version": str(model["version"]),
            "creation_timestamp": milliseconds(model["createdTime"]),
            "description": model.get("description") or "",
            "source": self._source(model),
            "run_id": model.get("runId") or "",
            "status": "READY",
            "current_stage": "None",
            "tags": [{"key": key, "value": value} for key, value in (model.get("kvTags") or {}).items()],
        }
