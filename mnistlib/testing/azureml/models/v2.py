"""Models of azure-ai-ml."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import user_error
from mnistlib.testing.azureml.data.assets import PATH_CHANGED
from mnistlib.testing.azureml.data.blob_locations import location_of
from mnistlib.testing.azureml.models.registry import MODELS, model_location, register
from mnistlib.testing.azureml.parameters import archived_states
from mnistlib.testing.azureml.resource import VersionedResource, missing, route
from mnistlib.testing.azureml.store import Document

#: Properties that azureml-core lacks, and the key under which stored documents of models hold them.
_KEPT = ("modelType", "flavors", "isArchived", "stage")
_KEY = "arm"


class ModelsV2(VersionedResource):
    """Models by name and version."""

    base = "management.azure.com{WORKSPACE}/models"
    versions = MODELS
    not_covered = (
        missing("PUT", "/{name}", by="v2", purpose="Archive or restore all versions of a name."),
        missing("POST", "/{name}/versions/{version}/publish", by="v2", purpose="Share a model with a registry."),
    )

    @route("PUT", "/{name}/versions/{version}", by="v2")
    async def put(self, request: Request) -> Response:
        """Register a version, or change its description; its files never change."""
        properties = (await request.json())["properties"]
        name, version = self._target(request)
        fields = {
            "description": properties.get("description"),
            "kvTags": properties.get("tags") or {},
            "properties": properties.get("properties") or {},
            _KEY: {key: properties[key] for key in _KEPT if properties.get(key) is not None},
        }
        location = location_of(self._state, properties["modelUri"])
        known = MODELS.get(self._store, name, version)
        if known is not None:
            if model_location(self._store, known) != location:
                raise user_error(PATH_CHANGED)
            return JSONResponse(self._described(self._store.put("model", known["id"], known | fields)))
        model = await run_in_threadpool(register, self._state, name, location, version=version, **fields)
        return JSONResponse(self._described(model), 201)

    @route("DELETE", "/{name}/versions/{version}", by="v2")
    async def delete(self, request: Request) -> Response:
        """Delete a version; its number is not given again."""
        return self._deleted(request)

    def _is_shown(self, document: Document, request: Request) -> bool:
        is_archived = bool((document.get(_KEY) or {}).get("isArchived"))
        return is_archived in archived_states(request.query_params.get("listViewType"))

    def _described(self, document: Document) -> Document:
        properties = {
            "modelType": "custom_model",
            "modelUri": model_location(self._store, document).uri(self._names),
            "description": document.get("description") or "",
            "tags": document.get("kvTags") or {},
            "properties": document.get("properties") or {},
            "jobName": document.get("runId"),
            "isArchived": False,
            "isAnonymous": False,
            "flavors": {},
            **(document.get(_KEY) or {}),
        }
        return self._version_resource(document, properties, created=document["createdTime"])
