"""Models of azureml-core, and the assets that list their files."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import listing, now
from mnistlib.testing.azureml.models.registry import add_asset, add_model
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

_MANAGEMENT = "{region}.api.azureml.ms/modelmanagement/v1.0{WORKSPACE}"
_ASSETS, _IMAGES = f"{_MANAGEMENT}/assets", f"{_MANAGEMENT}/images"


class ModelsV1(Resource):
    """Models by name and version."""

    base = f"{_MANAGEMENT}/models"
    not_covered = (
        missing("POST", "/{id}/optimize", by="v1", purpose="Convert a model for other hardware."),
        missing("GET POST", _IMAGES, by="v1", purpose="List or build container images of models."),
        missing("POST", f"{_IMAGES}/generateDockerBuildContext", by="v1", purpose="Prepare a service on this machine."),
        missing("POST", f"{_MANAGEMENT}/packages", by="v1", purpose="Package models as an image or a Dockerfile."),
    )

    @route("POST", _ASSETS, by="v1")
    async def create_asset(self, request: Request) -> Response:
        """List the files of a model under an id."""
        body = await request.json()
        return JSONResponse(add_asset(self._store, body["name"], body["artifacts"], runid=body.get("runid")))

    @route("GET", _ASSETS + "/{id}", by="v1")
    async def asset(self, request: Request) -> Response:
        """Return the files of a model."""
        return JSONResponse(self._find("asset", request.path_params["id"]))

    @route("POST", "", by="v1")
    async def create(self, request: Request) -> Response:
        """Register a model under the next version of its name."""
        body = await request.json()
        return JSONResponse(add_model(self._store, body.pop("name"), **body))

    @route("GET", "", by="v1")
    async def list_all(self, request: Request) -> Response:
        """List models, newest first."""
        query = request.query_params
        # azureml-core cannot read a list with a version that is no integer.
        models = [model for model in self._store.all("model")[::-1] if isinstance(model["version"], int)]
        for field in ("name", "runId", "framework"):
            if wanted := query.get(field):
                models = [model for model in models if model.get(field) == wanted]
        for field, parameter in (("kvTags", "tags"), ("properties", "properties")):
            for key, value in _conditions(query.get(parameter)):
                models = [model for model in models if _has(model.get(field), key, value)]
        if query.get("latestVersionOnly", "").lower() == "true":
            models = list({model["name"]: model for model in reversed(models)}.values())[::-1]
        return listing(models[: int(query.get("count") or len(models))])

    @route("GET", "/{id}", by="v1")
    async def get(self, request: Request) -> Response:
        """Describe one model."""
        return JSONResponse(self._model(request))

    @route("PATCH", "/{id}", by="v1")
    async def patch(self, request: Request) -> Response:
        """Change the tags, properties or description of a model, by JSON Patch."""
        model = self._model(request)
        for step in await request.json():
            _, field, *keys = step["path"].split("/")
            if not keys:
                model[field] = step.get("value")
            elif step["op"] == "remove":
                (model.get(field) or {}).pop(keys[0], None)
            else:
                model[field] = (model.get(field) or {}) | {keys[0]: step["value"]}
        model["modifiedTime"] = now()
        return JSONResponse(self._store.put("model", model["id"], model))

    @route("DELETE", "/{id}", by="v1")
    async def delete(self, request: Request) -> Response:
        """Delete a model; its version is not given again."""
        self._store.delete("model", self._model(request)["id"])
        return JSONResponse({})

    def _model(self, request: Request) -> Document:
        return self._find("model", request.path_params["id"])


def _conditions(text: str | None) -> Iterator[tuple[str, str | None]]:
    """Yield key and value of each part of ``a=1,b``; a key alone has the value None."""
    for part in (text or "").split(","):
        key, has_value, value = part.partition("=")
        if key:
            yield key, value if has_value else None


def _has(values: Document | None, key: str, value: str | None) -> bool:
    return key in (values or {}) and (value is None or str((values or {})[key]) == value)
