"""Registered models and the assets behind them."""

import re
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found, now
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


class Models:
    """Models by name and version."""

    def __init__(self, state: State) -> None:
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/modelmanagement/assets", self.create_asset, methods=["POST"]),
            Route("/modelmanagement/assets/{id}", self.asset),
            Route("/modelmanagement/models", self.create, methods=["POST"]),
            Route("/modelmanagement/models", self.list_all),
            Route("/modelmanagement/models/{id}", self.get),
            Route("/modelmanagement/models/{id}", self.patch, methods=["PATCH"]),
            Route("/modelmanagement/models/{id}", self.delete, methods=["DELETE"]),
        ]

    async def create_asset(self, request: Request) -> Response:
        """Name the files of a model."""
        body = await request.json()
        return JSONResponse(add_asset(self._store, body["name"], body["artifacts"], runid=body.get("runid")))

    async def asset(self, request: Request) -> Response:
        """Return the files of a model."""
        asset = self._store.get("asset", request.path_params["id"])
        if asset is None:
            raise not_found(f"The asset {request.path_params['id']}")
        return JSONResponse(asset)

    async def create(self, request: Request) -> Response:
        """Register a model under the next version of its name."""
        body = await request.json()
        return JSONResponse(add_model(self._store, body.pop("name"), **body))

    async def list_all(self, request: Request) -> Response:
        """List models, newest first."""
        query = request.query_params
        # A version that is no number would break the first SDK's reading of the whole list.
        models = [model for model in self._store.all("model")[::-1] if isinstance(model["version"], int)]
        if name := query.get("name"):
            models = [model for model in models if model["name"] == name]
        if run := query.get("runId"):
            models = [model for model in models if model.get("runId") == run]
        if framework := query.get("framework"):
            models = [model for model in models if model.get("framework") == framework]
        for wanted in (query.get("tags") or "").split(","):
            key, has_value, value = wanted.partition("=")
            models = [
                model for model in models if not key or _has(model.get("kvTags"), key, value if has_value else None)
            ]
        for wanted in (query.get("properties") or "").split(","):
            key, has_value, value = wanted.partition("=")
            models = [
                model for model in models if not key or _has(model.get("properties"), key, value if has_value else None)
            ]
        if query.get("latestVersionOnly", "").lower() == "true":
            models = list({model["name"]: model for model in reversed(models)}.values())[::-1]
        return JSONResponse({"value": models[: int(query.get("count") or len(models))], "nextLink": None})

    async def get(self, request: Request) -> Response:
        """Describe one model."""
        return JSONResponse(self._find(request))

    async def patch(self, request: Request) -> Response:
        """Change a model's tags, properties or description, as JSON Patch says."""
        model = self._find(request)
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

    async def delete(self, request: Request) -> Response:
        """Delete a model; its version is not given again."""
        self._store.delete("model", self._find(request)["id"])
        return JSONResponse({})

    def _find(self, request: Request) -> Document:
        model = self._store.get("model", request.path_params["id"])
        if model is None:
            raise not_found(f"The model {request.path_params['id']}")
        return model


def versions_of(store: Store, name: str) -> list[Document]:
    """Return the versions of a model, oldest first."""
    return store.all("model", prefix=f"{name}:")


def add_asset(store: Store, name: str, artifacts: list[Document], **fields: Any) -> Document:
    """Give some files a common id."""
    number = uuid.uuid4().hex
    return store.put(
        "asset", number, {"id": number, "name": name, "artifacts": artifacts, "createdTime": now(), **fields}
    )


def add_model(store: Store, name: str, *, version: str | None = None, **fields: Any) -> Document:
    """Register a model under the next version of its name, or under one of its own.

    The first SDK knows numbers only; a version of another form can be read by the second alone.
    """
    if not _NAME.fullmatch(name):
        raise Refusal(400, "BadRequest", f"{name!r} is no name for a model.")
    number: int | str
    if version is None:
        number = store.next_number(f"model/{name}")
    else:
        number = int(version) if version.isdecimal() else version
        store.raise_number(f"model/{name}", number if isinstance(number, int) else 0)
    model = fields | {
        "name": name,
        "id": f"{name}:{number}",
        "version": number,
        "datasets": fields.get("datasets") or [],
        "createdTime": now(),
        "modifiedTime": now(),
        "createdBy": {"userName": "loopback"},
    }
    return store.put("model", model["id"], model)


def _has(values: Document | None, key: str, value: str | None) -> bool:
    return key in (values or {}) and (value is None or str((values or {})[key]) == value)
