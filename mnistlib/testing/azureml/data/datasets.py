"""File data sets of azureml-core: named, versioned paths on the datastore."""

import json
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, not_found, now, page
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document
from mnistlib.testing.azureml.versions import Versions

DATASETS = Versions(kind="dataset", noun="data set")

_SAVED = "{region}.api.azureml.ms/dataset/v1.0{WORKSPACE}/saveddatasets"


class Datasets(Resource):
    """Data sets by name and version, and their definitions, each with an id of its own."""

    base = "{region}.api.azureml.ms/dataset/v1.0{WORKSPACE}/datasets"
    not_covered = (
        missing("GET", "/{id}/definitions", by="v1", purpose="List the definitions of a data set."),
        missing("POST", "/preview", by="v1", purpose="Read the first rows of a tabular data set."),
        missing("GET", "/{id}/quickprofile", by="v1", purpose="Return statistics of a tabular data set."),
        missing("POST", f"{_SAVED}/from-data-path", by="v1", purpose="Define a data set on the server."),
    )

    @route("POST", "", by="v1")
    async def register(self, request: Request) -> Response:
        """Register a data set; a changed definition is a new version where the request allows one."""
        body = await request.json()
        name = body["name"]
        versions = DATASETS.of(self._store, name)
        if versions:
            known = versions[-1]
            if known["latest"]["dataflow"] == body["latest"]["dataflow"]:
                return JSONResponse(known)
            if request.query_params.get("updateDefinitionIfExists", "").lower() != "true":
                raise Refusal(409, "Conflict", f"There is already a data set registered under name {name}.")
        version = str(len(versions) + 1)
        saved = self._keep(body["latest"]["dataflow"], body)
        dataset = body | {
            "datasetId": versions[0]["datasetId"] if versions else str(uuid.uuid4()),
            "createdTime": now(),
            "modifiedTime": now(),
            "datasetState": {"state": "active"},
            "latest": body["latest"] | {"versionId": version, "savedDatasetId": saved, "createdTime": now()},
        }
        return JSONResponse(self._store.put("dataset", f"{name}/{version}", dataset))

    @route("GET", "", by="v1")
    async def list_all(self, request: Request) -> Response:
        """List the latest version of each."""
        return page(list(DATASETS.latest(self._store).values()))

    @route("GET", "/query/name={name}", by="v1")
    async def by_name(self, request: Request) -> Response:
        """Describe one version, the latest by default."""
        name, version = request.path_params["name"], request.query_params.get("versionId")
        found = [known for known in DATASETS.of(self._store, name) if version in (None, known["latest"]["versionId"])]
        if not found:
            raise not_found(f"The data set {name}")
        return JSONResponse(found[-1])

    @route("GET", "/query/savedDatasetId={saved}", by="v1")
    async def by_saved(self, request: Request) -> Response:
        """List the versions that a definition is registered as: one, or none."""
        wanted = request.path_params["saved"]
        return page([known for known in self._store.all("dataset") if known["latest"]["savedDatasetId"] == wanted])

    @route("GET", "/{id}", by="v1")
    async def by_id(self, request: Request) -> Response:
        """Describe the latest version of the data set with an id."""
        return JSONResponse(self._with_id(request.path_params["id"])[-1])

    @route("PUT", "/{id}", by="v1")
    async def update(self, request: Request) -> Response:
        """Change the description and the tags of one version, the latest by default."""
        body = await request.json()
        versions = self._with_id(request.path_params["id"])
        number = (body.get("latest") or {}).get("versionId") or versions[-1]["latest"]["versionId"]
        changed = {"description": body.get("description"), "tags": body.get("tags") or {}, "modifiedTime": now()}
        dataset = self._store.change("dataset", f"{versions[0]['name']}/{number}", lambda known: known.update(changed))
        if dataset is None:
            raise not_found(f"Version {number} of the data set {versions[0]['name']}")
        return JSONResponse(dataset)

    @route("DELETE", "/{name}", by="v1")
    async def unregister(self, request: Request) -> Response:
        """Delete all versions of a name; the files stay, and so do runs that use them."""
        name = request.path_params["name"]
        versions = DATASETS.of(self._store, name)
        if not versions:
            raise not_found(f"The data set {name}")
        for known in versions:
            DATASETS.delete(self._store, name, known["latest"]["versionId"])
        return JSONResponse({})

    @route("POST", _SAVED, by="v1")
    async def save(self, request: Request) -> Response:
        """Save a data set without a name."""
        body = await request.json()
        return JSONResponse(body | {"id": self._keep(body["dataflowJson"], body)})

    @route("GET", f"{_SAVED}/{{id}}", by="v1")
    async def saved(self, request: Request) -> Response:
        """Describe a data set without a name."""
        saved = self._find_saved(request.path_params["id"])
        return JSONResponse(
            {
                "id": saved["id"],
                "datasetType": saved["datasetType"],
                "properties": saved["properties"],
                "dataflowJson": saved["dataflow"],
            }
        )

    @route("GET", "{region}.api.azureml.ms/data/v1.0{WORKSPACE}/dataversion/{saved}/versions/{version}", by="v1")
    async def definition(self, request: Request) -> Response:
        """Return the YAML text of a definition."""
        saved = self._find_saved(request.path_params["saved"].removeprefix("unregistered-"))
        return JSONResponse({"legacyDataflow": _yaml_of(saved["dataflow"]), "dataVersion": {"version": "1"}})

    def _keep(self, dataflow: str, body: Document) -> str:
        number = str(uuid.uuid4())
        properties = body.get("properties") or (body.get("latest") or {}).get("properties") or {}
        kind = body.get("datasetType") or "file"
        saved = {"id": number, "dataflow": dataflow, "properties": properties, "datasetType": kind}
        self._store.put("saved_dataset", number, saved)
        return number

    def _find_saved(self, number: str) -> Document:
        return self._find("saved_dataset", number, f"data set {number}")

    def _with_id(self, number: str) -> list[Document]:
        found = [known for known in self._store.all("dataset") if known["datasetId"] == number]
        if not found:
            raise not_found(f"The data set {number}")
        return found


def _yaml_of(dataflow: str) -> Any:
    """Return the YAML text inside a definition, or the definition where it is nothing else."""
    try:
        meta = json.loads(dataflow).get("meta") or {}
    except json.JSONDecodeError:
        return dataflow
    return meta.get("RsDataflow") or dataflow
