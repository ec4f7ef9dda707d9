"""Web services on Azure's container instances: deployed models that answer."""

import functools
import re
import secrets
import shutil
import tarfile
import uuid
from pathlib import Path, PurePosixPath

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found, now
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.endpoints import no_code
from mnistlib.testing.azureml.endpoints.scoring import EntryError, Program, Scorer, Scorers, ScoringError
from mnistlib.testing.azureml.environments.builds import ImageBuildError
from mnistlib.testing.azureml.models.files import models_below
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

_NAME = re.compile(r"[a-z]([-a-z0-9]{1,30}[a-z0-9])")


class Webservices:
    """Services by name, and the processes behind them."""

    def __init__(self, state: State, scorers: Scorers) -> None:
        self._state = state
        self._store = state.store
        self._names = state.names
        self._scorers = scorers

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        root = "/modelmanagement/services"
        return [
            Route(f"{root}/validate", self.validate, methods=["POST"]),
            Route(f"{root}/validate/name/{{name}}", self.validate, methods=["GET", "POST"]),
            Route(root, self.create, methods=["POST"]),
            Route(root, self.list_all),
            Route(f"{root}/{{name}}", self.get),
            Route(f"{root}/{{name}}", self.delete, methods=["DELETE"]),
            Route(f"{root}/{{name}}/logs", self.logs),
            Route(f"{root}/{{name}}/listkeys", self.keys, methods=["POST"]),
            Route("/modelmanagement/operations/{id}", self.operation),
            Route("/scoring/{name}/score", self.score, methods=["POST"]),
        ]

    async def validate(self, request: Request) -> Response:
        """Find nothing wrong yet; what is wrong is said at creation."""
        return JSONResponse({})

    async def create(self, request: Request) -> Response:
        """Deploy models with their entry script."""
        body = await request.json()
        name = body["name"]
        if not _NAME.fullmatch(name):
            raise Refusal(
                400, "BadRequest", f"{name!r} is no name for a service: 3 to 32 small letters, digits, hyphens."
            )
        if str(body.get("computeType")).upper() != "ACI":
            raise Refusal(501, "NotImplemented", f"the emulator covers no service of type {body.get('computeType')}")
        models = [self._model(number) for number in body["environmentImageRequest"].get("modelIds") or []]
        if not body["environmentImageRequest"].get("environment"):
            no_code.check_framework(models)
        service = (
            _DEFAULTS
            | body
            | {
                "computeType": "ACI",
                "models": models,
                "createdTime": now(),
                "updatedTime": now(),
                "location": self._names.region,
                "scoringUri": f"https://{self._names.scoring_host}/{name}/score",
                "keys": [secrets.token_urlsafe(24), secrets.token_urlsafe(24)],
            }
        )
        error = None
        try:
            await run_in_threadpool(self._scorers.start, _key(name), functools.partial(self._program, service))
        except (ScoringError, ImageBuildError) as failure:
            error = {"code": "DeploymentFailed", "message": str(failure), "details": []}
        service |= {"state": "Failed" if error else "Healthy", "error": error}
        self._store.put("service", name, service)
        number = str(uuid.uuid4())
        outcome = {
            "id": number,
            "state": "Failed" if error else "Succeeded",
            "error": error,
            "operationType": "Service",
        }
        self._store.put("operation", number, outcome)
        place = f"{self._names.resource}/operations/{number}"
        return JSONResponse(_shown(service), 202, headers={"Operation-Location": f"/api{place}"})

    async def list_all(self, request: Request) -> Response:
        """List all services."""
        return JSONResponse({"value": [_shown(service) for service in self._store.all("service")]})

    async def get(self, request: Request) -> Response:
        """Describe a service."""
        return JSONResponse(_shown(self._find(request)))

    async def delete(self, request: Request) -> Response:
        """Delete a service and end its process."""
        name = self._find(request)["name"]
        self._store.delete("service", name)
        await run_in_threadpool(self._scorers.end, _key(name))
        return Response(status_code=200)

    async def logs(self, request: Request) -> Response:
        """Return what the entry script has printed."""
        return JSONResponse({"content": self._scorer(self._find(request)).log})

    async def keys(self, request: Request) -> Response:
        """Return the service's keys."""
        primary, secondary = self._find(request)["keys"]
        return JSONResponse({"primaryKey": primary, "secondaryKey": secondary})

    async def operation(self, request: Request) -> Response:
        """Say how a deployment has gone."""
        operation = self._store.get("operation", request.path_params["id"])
        if operation is None:
            raise not_found("The operation")
        return JSONResponse(operation)

    async def score(self, request: Request) -> Response:
        """Ask a service."""
        service = self._find(request)
        allowed = [f"Bearer {key}" for key in service["keys"]]
        if service["authEnabled"] and request.headers.get("authorization") not in allowed:
            return Response("The service's key is missing or wrong.", 401)
        data = await request.body()
        try:
            answer = await run_in_threadpool(self._scorer(service).score, data)
        except EntryError as error:
            return JSONResponse(str(error), 500)
        except (ScoringError, ImageBuildError) as error:
            return JSONResponse(str(error), 502)
        return Response(answer.body, answer.status, answer.headers)

    def _scorer(self, service: Document) -> Scorer:
        return self._scorers.of(_key(service["name"]), functools.partial(self._program, service))

    def _program(self, service: Document, folder: Path) -> Program:
        """Put a service's script and models below a folder."""
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
            python=self._scorers.nodes.python_for(environment).executable,
            script=script,
            folder=app,
            imports=imports,
            variables={"AZUREML_MODEL_DIR": str(models), **variables},
        )

    def _unpack(self, request: Document, app: Path) -> None:
        for asset in request["assets"]:
            if asset["id"] == request["driverProgram"]:
                continue  # the SDK's own wrapper, which needs Microsoft's image around it
            source = self._state.blobs.file(RUN_CONTAINER, asset["url"].removeprefix("aml://artifact/"))
            if asset.get("unpack"):
                with tarfile.open(source) as archive:
                    archive.extractall(app, filter="data")
            else:
                entry = (request["environment"].get("environmentVariables") or {})["AZUREML_ENTRY_SCRIPT"]
                target = app / entry
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def _model(self, number: str) -> Document:
        model = self._store.get("model", number)
        if model is None:
            raise not_found(f"The model {number}")
        return model

    def _find(self, request: Request) -> Document:
        service = self._store.get("service", request.path_params["name"])
        if service is None:
            raise not_found(f"The service {request.path_params['name']}")
        return service


#: The SDK asks for every one of these keys.
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
_MODEL_DEFAULTS: Document = {
    "framework": None,
    "frameworkVersion": None,
    "description": None,
    "experimentName": None,
    "runId": None,
    "kvTags": {},
    "properties": {},
    "unpack": False,
    "resourceRequirements": None,
    "sampleInputData": None,
    "sampleOutputData": None,
    "parentModelId": None,
    "derivedModelIds": None,
    "defaultDeploymentSettings": None,
    "inferenceConfig": None,
}


def _key(name: str) -> str:
    return f"services/{name}"


def _shown(service: Document) -> Document:
    """Return a service without its keys, and with all that the SDK looks for in its models."""
    models = [_MODEL_DEFAULTS | model | {"resourceRequirements": _resources(model)} for model in service["models"]]
    return {key: value for key, value in service.items() if key != "keys"} | {"models": models}


def _resources(model: Document) -> Document | None:
    given = model.get("resourceRequirements")
    return None if given is None else {"cpu": None, "memoryInGB": None, "gpu": None} | given
