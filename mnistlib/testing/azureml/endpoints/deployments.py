"""Deployments of online endpoints: models with their entry scripts, which really answer.

Each is one process, however many instances it was asked for, and answers one request after the other.
"""

import functools
import re
import uuid
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found, now
from mnistlib.testing.azureml.data.assets import snapshot_behind
from mnistlib.testing.azureml.data.delivery import fetch_snapshot
from mnistlib.testing.azureml.endpoints.scoring import Program, Scorer, Scorers, ScoringError
from mnistlib.testing.azureml.environments.builds import ImageBuildError, requirements
from mnistlib.testing.azureml.environments.v2 import environment_of
from mnistlib.testing.azureml.models.files import models_below
from mnistlib.testing.azureml.names import MANAGEMENT_HOST
from mnistlib.testing.azureml.resource import ROOM, AnyCaseRoute, last_parts, listing, resource
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

#: What both endpoints and deployments may be called.
NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]")

#: One of these brings the inference server, without which no deployment of a conda specification starts in Azure.
_SERVERS = ("azureml-inference-server-http", "azureml-defaults")


class Deployments:
    """The deployments of all endpoints, and the processes behind them."""

    def __init__(self, state: State, scorers: Scorers) -> None:
        self._state = state
        self._store = state.store
        self._scorers = scorers

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        all_of_one = f"{ROOM}/onlineEndpoints/{{endpoint}}/deployments"
        return [
            AnyCaseRoute(all_of_one, self.list_all),
            AnyCaseRoute(f"{all_of_one}/{{name}}", self.get),
            AnyCaseRoute(f"{all_of_one}/{{name}}", self.put, methods=["PUT"]),
            AnyCaseRoute(f"{all_of_one}/{{name}}", self.delete, methods=["DELETE"]),
            AnyCaseRoute(f"{all_of_one}/{{name}}/getLogs", self.logs, methods=["POST"]),
            AnyCaseRoute(f"{ROOM}/onlineOperations/{{id}}", self.operation),
        ]

    async def list_all(self, request: Request) -> Response:
        """List the deployments of an endpoint."""
        endpoint = self._endpoint(request)
        return listing([self._described(deployment) for deployment in self.of(endpoint["name"])])

    async def get(self, request: Request) -> Response:
        """Describe a deployment."""
        return JSONResponse(self._described(self._find(request)))

    async def put(self, request: Request) -> Response:
        """Deploy a model, in place of what had this name; the answer comes when it has started, or has failed to."""
        endpoint, name = self._endpoint(request), request.path_params["name"]
        body = await request.json()
        properties = body["properties"]
        if not NAME.fullmatch(name):
            raise Refusal(
                400, "BadArgument", f"{name!r} is no name for a deployment: 3 to 32 letters, digits, hyphens."
            )
        if properties.get("endpointComputeType") != "Managed":
            raise Refusal(
                501, "NotImplemented", f"the emulator covers no deployment to {properties.get('endpointComputeType')}"
            )
        key = _key(endpoint["name"], name)
        before = self._store.get("online_deployment", key)
        deployment = {
            "endpoint": endpoint["name"],
            "name": name,
            "properties": properties,
            "tags": body.get("tags") or {},
            "sku": body.get("sku") or {"name": "Default", "capacity": 1},
            "state": "Updating" if before else "Creating",
            "created": before["created"] if before else now(),
            "modified": now(),
            **self._resolved(properties),
        }
        self._store.put("online_deployment", key, deployment)
        error = await run_in_threadpool(self._start, deployment)
        outcome = {"state": "Failed" if error else "Succeeded"}
        ended = self._store.change("online_deployment", key, lambda known: known.update(outcome))
        if ended is None:  # deleted while it started
            raise not_found(f"The deployment {name} of the online endpoint {endpoint['name']}")
        return JSONResponse(self._described(ended), 201, headers=self._operation_of(error))

    async def delete(self, request: Request) -> Response:
        """Delete a deployment that no request is led to, and end its process."""
        endpoint, name = self._endpoint(request), request.path_params["name"]
        deployment = self._store.get("online_deployment", _key(endpoint["name"], name))
        if deployment is None:
            return Response(status_code=204)
        share = endpoint["properties"]["traffic"].get(deployment["name"], 0)
        if share > 0:
            raise Refusal(
                400,
                "UserError",
                f"The deployment {name} gets {share} % of the traffic of its endpoint and can't be deleted."
                " Set its share to 0 first, or delete the endpoint.",
            )
        await run_in_threadpool(self.remove, deployment)
        return Response(status_code=200)

    async def logs(self, request: Request) -> Response:
        """Return the last lines that the entry script has printed."""
        deployment, wanted = self._find(request), await request.json()
        lines = self.scorer(deployment).log.splitlines(keepends=True)
        return JSONResponse({"content": "".join(lines[-int(wanted.get("tail") or len(lines)) :])})

    async def operation(self, request: Request) -> Response:
        """Say how a deployment has gone; here it has always ended already."""
        operation = self._store.get("operation", request.path_params["id"])
        if operation is None:
            raise not_found("The operation")
        return JSONResponse(operation)

    def of(self, endpoint: str) -> list[Document]:
        """Return the deployments of an endpoint."""
        return self._store.all("online_deployment", prefix=_key(endpoint, ""))

    def remove(self, deployment: Document) -> None:
        """Delete a deployment and end its process."""
        self._store.delete("online_deployment", _key(deployment["endpoint"], deployment["name"]))
        self._scorers.end(_place(deployment))

    def scorer(self, deployment: Document) -> Scorer:
        """Return the process of a deployment."""
        return self._scorers.of(_place(deployment), functools.partial(self._program, deployment))

    def _start(self, deployment: Document) -> Document | None:
        """Start a deployment; return why it has failed, if it has."""
        try:
            self._scorers.start(_place(deployment), functools.partial(self._program, deployment))
        except (ScoringError, ImageBuildError) as error:
            return {"code": "DeploymentFailed", "message": str(error), "details": []}
        return None

    def _resolved(self, properties: Document) -> Document:
        """Return the model, the code and the environment that a deployment is of: later changes don't change it."""
        model = self._model(properties["model"]) if properties.get("model") else None
        script = properties.get("codeConfiguration") or {}
        if not script and ((model or {}).get("arm") or {}).get("modelType") == "mlflow_model":
            raise Refusal(501, "NotImplemented", "the emulator deploys no model of MLflow without a code configuration")
        if not script.get("codeId") or not script.get("scoringScript"):
            raise Refusal(400, "UserError", "A model that is not MLflow's needs a code configuration to be deployed.")
        if not properties.get("environmentId"):
            raise Refusal(400, "UserError", "A scoring script needs an environment to be deployed.")
        return {
            "model": model,
            "snapshot": snapshot_behind(self._store, script["codeId"]),
            "environment": environment_of(self._store, properties["environmentId"]),
        }

    def _model(self, model_id: str) -> Document:
        name, version = last_parts(model_id, 2)
        model = self._store.get("model", f"{name}:{version}")
        if model is None:
            raise not_found(f"The model {name}:{version}")
        return model

    def _program(self, deployment: Document, folder: Path) -> Program:
        """Put a deployment's code and model below a folder."""
        properties, environment = deployment["properties"], deployment["environment"]
        _check_server(environment)
        code, script = folder / "code", properties["codeConfiguration"]["scoringScript"]
        code.mkdir()
        fetch_snapshot(self._state, deployment["snapshot"], code)
        if not (code / script).is_file():
            raise ScoringError(f"The scoring script {script} is not in the code that was uploaded")
        models = [deployment["model"]] if deployment["model"] else []
        place = models_below(self._state, folder / "azureml-models", models)
        return Program(
            python=self._scorers.nodes.python_for(environment).executable,
            script=code / script,
            folder=code,
            imports=code,
            variables={
                "AML_APP_ROOT": str(code),
                "AZUREML_ENTRY_SCRIPT": script,
                "AZUREML_MODEL_DIR": str(place),
                **(environment.get("environmentVariables") or {}),
                **(properties.get("environmentVariables") or {}),
            },
        )

    def _operation_of(self, error: Document | None) -> dict[str, str]:
        number = str(uuid.uuid4())
        outcome: dict[str, Any] = {"status": "Failed", "error": error} if error else {"status": "Succeeded"}
        self._store.put("operation", number, outcome)
        place = f"https://{MANAGEMENT_HOST}{self._state.names.resource}/onlineOperations/{number}"
        return {"Azure-AsyncOperation": place, "Retry-After": "1"}

    def _endpoint(self, request: Request) -> Document:
        endpoint = self._store.get("online_endpoint", request.path_params["endpoint"].lower())
        if endpoint is None:
            raise not_found(f"The online endpoint {request.path_params['endpoint']}")
        return endpoint

    def _find(self, request: Request) -> Document:
        endpoint, name = self._endpoint(request)["name"], request.path_params["name"]
        deployment = self._store.get("online_deployment", _key(endpoint, name))
        if deployment is None:
            raise not_found(f"The deployment {name} of the online endpoint {endpoint}")
        return deployment

    def _described(self, deployment: Document) -> Document:
        properties = {
            "scaleSettings": {"scaleType": "Default"},
            **{key: value for key, value in deployment["properties"].items() if value is not None},
            "provisioningState": deployment["state"],
        }
        path = f"onlineEndpoints/{deployment['endpoint']}/deployments/{deployment['name']}"
        times = {"created": deployment["created"], "modified": deployment["modified"]}
        return resource(self._state.names, path, properties, **times) | {
            "location": self._state.names.region,
            "tags": deployment["tags"],
            "sku": deployment["sku"],
            "kind": "Managed",
        }


def _key(endpoint: str, name: str) -> str:
    return f"{endpoint}/{name}".lower()


def _place(deployment: Document) -> str:
    return f"endpoints/{_key(deployment['endpoint'], deployment['name'])}"


def _check_server(environment: Document) -> None:
    """Refuse a conda specification without an inference server; an image that is used as it is may hold one."""
    section = environment["python"]
    asked = [] if section.get("userManagedDependencies") else requirements(section.get("condaDependencies") or {})
    names = [re.split(r"[^\w.-]", text.strip().lower())[0].replace("_", "-") for text in asked]
    if not section.get("userManagedDependencies") and not set(names) & set(_SERVERS):
        raise ScoringError(
            "The environment has no inference server: add azureml-inference-server-http to its conda specification"
        )
