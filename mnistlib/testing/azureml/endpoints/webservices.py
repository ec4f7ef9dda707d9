"""Web services of azureml-core: models deployed to Azure's container instances."""

import functools
import re
import secrets
import shutil
import tarfile
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, now, unsupported
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.endpoints import no_code
from mnistlib.testing.azureml.endpoints.scoring import EntryError, Program, Scorer, ScoringError
from mnistlib.testing.azureml.models.registry import models_below
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

_NAME = re.compile(r"[a-z]([-a-z0-9]{1,30}[a-z0-9])")

_SCORING = "{workspace}.{region}.azurecontainer.io/{name}"

# Nothing outside the folder; Python 3.11.3 and older have no filters.
_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


class Webservices(Resource):
    """Services by name, and the processes behind them."""

    base = "{region}.api.azureml.ms/modelmanagement/v1.0{WORKSPACE}/services"
    not_covered = (
        missing("PATCH", "/{name}", by="v1", purpose="Change a service."),
        missing("POST", "/{name}/regenerateKeys", by="v1", purpose="Replace a key of a service."),
        missing("POST", "/{name}/token", by="v1", purpose="Issue a token for a service."),
        missing("GET", f"{_SCORING}/swagger.json", by="v1", purpose="Describe the requests of a service."),
    )

    @route("POST", "/validate", by="v1")
    @route("GET POST", "/validate/name/{name}", by="v1")
    async def validate(self, request: Request) -> Response:
        """Accept every service; errors are reported at its creation."""
        return JSONResponse({})

    @route("POST", "", by="v1", unsupported="services of other types than ACI; frameworks without an entry script")
    async def create(self, request: Request) -> Response:
        """Deploy models with their entry script, or a single one without."""
        body = await request.json()
        name = body["name"]
        if not _NAME.fullmatch(name):
            raise Refusal(
                400, "BadRequest", f"{name!r} is not a valid service name: 3 to 32 lowercase letters, digits, hyphens"
            )
        if str(body.get("computeType")).upper() != "ACI":
            raise unsupported(f"the emulator does not support services of type {body.get('computeType')}")
        image = body["environmentImageRequest"]
        models = [self._find("model", number) for number in image.get("modelIds") or []]
        if not image.get("environment"):
            no_code.check_framework(models)
        service = {
            **_DEFAULTS,
            **body,
            "computeType": "ACI",
            "models": models,
            "createdTime": now(),
            "updatedTime": now(),
            "location": self._names.region,
            "scoringUri": f"https://{self._names.scoring_host}/{name}/score",
            "keys": [secrets.token_urlsafe(24), secrets.token_urlsafe(24)],
        }
        start = functools.partial(self._program, service)
        error = await run_in_threadpool(self._runtime.scorers.start, _key(name), start)
        service |= {"state": "Failed" if error else "Healthy", "error": error}
        self._store.put("service", name, service)
        number, state = str(uuid.uuid4()), "Failed" if error else "Succeeded"
        outcome = {"id": number, "state": state, "error": error, "operationType": "Service"}
        self._store.put("operation", number, outcome)
        address = f"/api{self._names.resource}/operations/{number}"
        return JSONResponse(_shown(service), 202, headers={"Operation-Location": address})

    @route("GET", "", by="v1")
    async def list_all(self, request: Request) -> Response:
        """List all services."""
        return JSONResponse({"value": [_shown(service) for service in self._store.all("service")]})

    @route("GET", "/{name}", by="v1")
    async def get(self, request: Request) -> Response:
        """Describe a service."""
        return JSONResponse(_shown(self._service(request)))

    @route("DELETE", "/{name}", by="v1")
    async def delete(self, request: Request) -> Response:
        """Delete a service and end its process."""
        name = self._service(request)["name"]
        self._store.delete("service", name)
        await run_in_threadpool(self._runtime.scorers.end, _key(name))
        return Response(status_code=200)

    @route("GET", "/{name}/logs", by="v1")
    async def logs(self, request: Request) -> Response:
        """Return the output of the entry script."""
        return JSONResponse({"content": self._scorer(self._service(request)).log})

    @route("POST", "/{name}/listkeys", by="v1")
    async def keys(self, request: Request) -> Response:
        """Return the keys of a service."""
        primary, secondary = self._service(request)["keys"]
        return JSONResponse({"primaryKey": primary, "secondaryKey": secondary})

    @route("GET", "{region}.api.azureml.ms/modelmanagement/v1.0{WORKSPACE}/operations/{id}", by="v1")
    async def operation(self, request: Request) -> Response:
        """Return the outcome of a deployment."""
        return JSONResponse(self._find("operation", request.path_params["id"], "operation"))

    @route("POST", f"{_SCORING}/score", by="v1")
    async def score(self, request: Request) -> Response:
        """Score data with a service."""
        service = self._service(request)
        allowed = [f"Bearer {key}" for key in service["keys"]]
        if service["authEnabled"] and request.headers.get("authorization") not in allowed:
            return Response("The service's key is missing or wrong.", 401)
        data = await request.body()
        try:
            return await run_in_threadpool(self._scorer(service).score, data)
        except EntryError as error:
            return JSONResponse(str(error), 500)
        except ScoringError as error:
            return JSONResponse(str(error), 502)

    def _scorer(self, service: Document) -> Scorer:
        return self._runtime.scorers.of(_key(service["name"]), functools.partial(self._program, service))

    def _program(self, service: Document, folder: Path) -> Program:
        """Write the script and the models of a service below a folder."""
        request = service["environmentImageRequest"]
        app = folder / "app"
        app.mkdir()
        models = models_below(self._state, folder / "models", service["models"])
        if request.get("environment"):
            environment = request["environment"]
            self._unpack(request, app)
            variables = environment.get("environmentVariables") or {}
            script = app / variables["AZUREML_ENTRY_SCRIPT"]
            source = PurePosixPath(variables["AZUREML_ENTRY_SCRIPT"]).parts[:-1][:1]
            imports = app.joinpath(*source)
        else:
            environment = no_code.environment_of(service["models"][0])
            imports = app
            script, variables = no_code.write_entry(app, models)
        return Program(
            python=self._runtime.scorers.nodes.python_for(environment).executable,
            script=script,
            folder=app,
            imports=imports,
            variables={"AZUREML_MODEL_DIR": str(models), **variables},
        )

    def _unpack(self, request: Document, app: Path) -> None:
        for asset in request["assets"]:
            if asset["id"] == request["driverProgram"]:
                continue  # the SDK's own wrapper, which requires Microsoft's image
            source = self._blobs.file(RUN_CONTAINER, asset["url"].removeprefix("aml://artifact/"))
            if asset.get("unpack"):
                with tarfile.open(source) as archive:
                    archive.extractall(app, **_FILTER)  # noqa: S202 - with a filter, where Python has one
            else:
                entry = (request["environment"].get("environmentVariables") or {})["AZUREML_ENTRY_SCRIPT"]
                target = app / entry
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def _service(self, request: Request) -> Document:
        return self._find("service", request.path_params["name"])


#: Keys that the SDK requires in every service.
_DEFAULTS: Document = {
    "description": None,
    "kvTags": {},
    "properties": {},
    "appInsightsEnabled": False,
    "authEnabled": False,
    "cname": None,
    "containerResourceRequirements": {"cpu": 0.1, "memoryInGB": 0.5},
    "publicIp": "127.0.0.1",
    "sslCertificate": None,
    "sslEnabled": False,
    "sslKey": None,
    "deploymentType": "Http",
}
#: Keys that the SDK requires in the models of a service.
_MODEL_DEFAULTS: Document = {
    "framework": None,
    "frameworkVersion": None,
    "description": None,
    "experimentName": None,
    "runId": None,
    "kvTags": {},
    "properties": {},
    "unpack": False,
}


def _key(name: str) -> str:
    return f"services/{name}"


def _shown(service: Document) -> Document:
    """Return a service without its keys, and with all fields of its models that the SDK requires."""
    models = [_MODEL_DEFAULTS | model | {"resourceRequirements": _resources(model)} for model in service["models"]]
    return {key: value for key, value in service.items() if key != "keys"} | {"models": models}


def _resources(model: Document) -> Document | None:
    given = model.get("resourceRequirements")
    return None if given is None else {"cpu": None, "memoryInGB": None, "gpu": None} | given
