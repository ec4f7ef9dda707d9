"""File data sets: named, versioned paths on the datastore."""

import json
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found, now, page
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class Datasets:
    """Data sets by name and version, and the definitions behind them by their own ids."""

    def __init__(self, state: State) -> None:
        self._store = state.store

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/dataset/datasets", self.register, methods=["POST"]),
            Route("/dataset/datasets", self.list_all),
            Route("/dataset/datasets/query/name={name}", self.by_name),
            Route("/dataset/datasets/query/savedDatasetId={saved}", self.by_saved),
            Route("/dataset/datasets/{id}", self.by_id),
            Route("/dataset/datasets/{id}", self.update, methods=["PUT"]),
            Route("/dataset/datasets/{name}", self.unregister, methods=["DELETE"]),
            Route("/dataset/saveddatasets", self.save, methods=["POST"]),
            Route("/dataset/saveddatasets/{id}", self.saved),
            Route("/data/dataversion/{saved}/versions/{version}", self.definition),
        ]

    async def register(self, request: Request) -> Response:
        """Register a data set; a new version only where something has changed and one is wanted."""
        body = await request.json()
        name = body["name"]
        versions = self._versions(name)
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

    async def list_all(self, request: Request) -> Response:
        """List the latest version of each."""
        return page(list({dataset["name"]: dataset for dataset in self._store.all("dataset")}.values()))

    async def by_name(self, request: Request) -> Response:
        """Describe one version, the latest unless told."""
        name, version = request.path_params["name"], request.query_params.get("versionId")
        found = [known for known in self._versions(name) if version in (None, known["latest"]["versionId"])]
        if not found:
            raise not_found(f"The data set {name}")
        return JSONResponse(found[-1])

    async def by_id(self, request: Request) -> Response:
        """Describe the latest version of the data set that has this id."""
        return JSONResponse(self._with_id(request.path_params["id"])[-1])

    async def by_saved(self, request: Request) -> Response:
        """List the versions that a definition is registered as: one, or none."""
        wanted = request.path_params["saved"]
        return page([known for known in self._store.all("dataset") if known["latest"]["savedDatasetId"] == wanted])

    async def update(self, request: Request) -> Response:
        """Change the description and the tags of one version, the latest unless told."""
        body = await request.json()
        versions = self._with_id(request.path_params["id"])
        number = (body.get("latest") or {}).get("versionId") or versions[-1]["latest"]["versionId"]
        changed = {"description": body.get("description"), "tags": body.get("tags") or {}, "modifiedTime": now()}
        dataset = self._store.change("dataset", f"{versions[0]['name']}/{number}", lambda known: known.update(changed))
        if dataset is None:
            raise not_found(f"Version {number} of the data set {versions[0]['name']}")
        return JSONResponse(dataset)

    async def unregister(self, request: Request) -> Response:
        """Forget all versions of a name; what is in them stays, and so do runs that use it."""
        name = request.path_params["name"]
        versions = self._versions(name)
        if not versions:
            raise not_found(f"The data set {name}")
        for known in versions:
            self._store.delete("dataset", f"{name}/{known['latest']['versionId']}")
        return JSONResponse({})

    async def save(self, request: Request) -> Response:
        """Keep a data set that has no name."""
        body = await request.json()
        number = self._keep(body["dataflowJson"], body)
        return JSONResponse(body | {"id": number})

    async def saved(self, request: Request) -> Response:
        """Describe a data set without a name."""
        saved = self._find(request.path_params["id"])
        return JSONResponse(
            {
                "id": saved["id"],
                "datasetType": saved["datasetType"],
                "properties": saved["properties"],
                "dataflowJson": saved["dataflow"],
            }
        )

    async def definition(self, request: Request) -> Response:
        """Return the YAML text that says what is in a data set."""
        saved = self._find(request.path_params["saved"].removeprefix("unregistered-"))
        return JSONResponse({"legacyDataflow": _yaml_of(saved["dataflow"]), "dataVersion": {"version": "1"}})

    def _keep(self, dataflow: str, body: Document) -> str:
        number = str(uuid.uuid4())
        properties = body.get("properties") or (body.get("latest") or {}).get("properties") or {}
        kind = body.get("datasetType") or "file"
        saved = {"id": number, "dataflow": dataflow, "properties": properties, "datasetType": kind}
        self._store.put("saved_dataset", number, saved)
        return number

    def _find(self, number: str) -> Document:
        saved = self._store.get("saved_dataset", number)
        if saved is None:
            raise not_found(f"The data set {number}")
        return saved

    def _with_id(self, number: str) -> list[Document]:
        found = [known for known in self._store.all("dataset") if known["datasetId"] == number]
        if not found:
            raise not_found(f"The data set {number}")
        return found

    def _versions(self, name: str) -> list[Document]:
        return self._store.all("dataset", prefix=f"{name}/")


def _yaml_of(dataflow: str) -> Any:
    """Return the YAML text inside a definition, or the definition where it is nothing else."""
    try:
        meta = json.loads(dataflow).get("meta") or {}
    except json.JSONDecodeError:
        return dataflow
    return meta.get("RsDataflow") or dataflow
