"""Deployments of online endpoints: models with their entry scripts.

Each is one process, for any number of instances, and answers one request after the other.
"""

import functools
import re
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import bad_argument, listing, not_found, now, unsupported, user_error
from mnistlib.testing.azureml.code.snapshots import fetch_snapshot, snapshot_behind
from mnistlib.testing.azureml.endpoints.scoring import Program, Scorer, ScoringError
from mnistlib.testing.azureml.environments.builds import requirements
from mnistlib.testing.azureml.environments.definitions import environment_of
from mnistlib.testing.azureml.models.registry import MODELS, models_below
from mnistlib.testing.azureml.parameters import last_parts
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

#: Names of endpoints and of deployments.
NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]")

#: Packages that install the inference server, without which no deployment of a conda specification starts in Azure.
_SERVERS = ("azureml-inference-server-http", "azureml-defaults")


class Deployments(Resource):
    """The deployments of all endpoints, and the processes behind them."""

    base = "management.azure.com{WORKSPACE}/onlineEndpoints/{endpoint}/deployments"
    not_covered = (
        missing("PATCH", "/{name}", by="v2", purpose="Change the size of a deployment."),
        missing("GET", "/{name}/skus", by="v2", purpose="List possible sizes of a deployment."),
    )

    @route("GET", "", by="v2")
    async def list_all(self, request: Request) -> Response:
        """List the deployments of an endpoint."""
        endpoint = self.endpoint(request)
        return listing([self._described(deployment) for deployment in self.of(endpoint["name"])])

    @route("GET", "/{name}", by="v2")
    async def get(self, request: Request) -> Response:
        """Describe a deployment."""
        return JSONResponse(self._described(self._deployment(request)))

    @route("PUT", "/{name}", by="v2", unsupported="Kubernetes; models of MLflow without a scoring script")
    async def put(self, request: Request) -> Response:
        """Deploy a model, in place of a deployment with this name; answer after its start or failure."""
        endpoint, name = self.endpoint(request), request.path_params["name"]
        body = await request.json()
        properties = body["properties"]
        if not NAME.fullmatch(name):
            raise bad_argument(f"{name!r} is not a valid name for a deployment: 3 to 32 letters, digits, hyphens.")
        if properties.get("endpointComputeType") != "Managed":
            raise unsupported(f"the emulator does not support deployments to {properties.get('endpointComputeType')}")
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
        start = functools.partial(self._program, deployment)
        error = await run_in_threadpool(self._runtime.scorers.start, _folder_of(deployment), start)
        outcome = {"state": "Failed" if error else "Succeeded"}
        ended = self._store.change("online_deployment", key, lambda known: known.update(outcome))
        if ended is None:  # it was deleted during its start
            raise not_found(f"The deployment {name} of the online endpoint {endpoint['name']}")
        headers = self._operation_headers(f"{self._names.resource}/onlineOperations", error)
        return JSONResponse(self._described(ended), 201, headers=headers)

    @route("DELETE", "/{name}", by="v2")
    async def delete(self, request: Request) -> Response:
        """Delete a deployment without traffic, and end its process."""
        endpoint, name = self.endpoint(request), request.path_params["name"]
        deployment = self._store.get("online_deployment", _key(endpoint["name"], name))
        if deployment is None:
            return Response(status_code=204)
        share = endpoint["properties"]["traffic"].get(deployment["name"], 0)
        if share > 0:
            raise user_error(
                f"The deployment {name} gets {share} % of the traffic of its endpoint and can't be deleted."
                " Set its share to 0 first, or delete the endpoint.",
            )
        await run_in_threadpool(self.remove, deployment)
        return Response(status_code=200)

    @route("POST", "/{name}/getLogs", by="v2")
    async def logs(self, request: Request) -> Response:
        """Return the last lines of output of the entry script."""
        deployment, wanted = self._deployment(request), await request.json()
        lines = self.scorer(deployment).log.splitlines(keepends=True)
        return JSONResponse({"content": "".join(lines[-int(wanted.get("tail") or len(lines)) :])})

    @route("GET", "management.azure.com{WORKSPACE}/onlineOperations/{id}", by="v2")
    async def operation(self, request: Request) -> Response:
        """Return the outcome of a deployment."""
        return JSONResponse(self._find("operation", request.path_params["id"], "operation"))

    def endpoint(self, request: Request) -> Document:
        """Return the endpoint that a request names."""
        name = request.path_params["endpoint"]
        return self._find("online_endpoint", name.lower(), f"online endpoint {name}")

    def of(self, endpoint: str) -> list[Document]:
        """Return the deployments of an endpoint."""
        return self._store.all("online_deployment", prefix=_key(endpoint, ""))

    def remove(self, deployment: Document) -> None:
        """Delete a deployment and end its process."""
        self._store.delete("online_deployment", _key(deployment["endpoint"], deployment["name"]))
        self._runtime.scorers.end(_folder_of(deployment))

    def scorer(self, deployment: Document) -> Scorer:
        """Return the process of a deployment."""
        return self._runtime.scorers.of(_folder_of(deployment), functools.partial(self._program, deployment))

    def _resolved(self, properties: Document) -> Document:
        """Return the model, the code and the environment of a deployment, fixed at its creation."""
        model = MODELS.find(self._store, *last_parts(properties["model"], 2)) if properties.get("model") else None
        script = properties.get("codeConfiguration") or {}
        if not script and ((model or {}).get("arm") or {}).get("modelType") == "mlflow_model":
            raise unsupported("the emulator does not deploy models of MLflow without a code configuration")
        if not script.get("codeId") or not script.get("scoringScript"):
            raise user_error("A model that is not MLflow's needs a code configuration to be deployed.")
        if not properties.get("environmentId"):
            raise user_error("A scoring script needs an environment to be deployed.")
        return {
            "model": model,
            "snapshot": snapshot_behind(self._store, script["codeId"]),
            "environment": environment_of(self._store, properties["environmentId"]),
        }

    def _program(self, deployment: Document, folder: Path) -> Program:
        """Write the code and the model of a deployment below a folder."""
        properties, environment = deployment["properties"], deployment["environment"]
        _check_server(environment)
        code, script = folder / "code", properties["codeConfiguration"]["scoringScript"]
        code.mkdir()
        fetch_snapshot(self._state, deployment["snapshot"], code)
        if not (code / script).is_file():
            raise ScoringError(f"The scoring script {script} is not in the code that was uploaded")
        models = [deployment["model"]] if deployment["model"] else []
        model_folder = models_below(self._state, folder / "azureml-models", models)
        return Program(
            python=self._runtime.scorers.nodes.python_for(environment).executable,
            script=code / script,
            folder=code,
            imports=code,
            variables={
                "AML_APP_ROOT": str(code),
                "AZUREML_ENTRY_SCRIPT": script,
                "AZUREML_MODEL_DIR": str(model_folder),
                **(environment.get("environmentVariables") or {}),
                **(properties.get("environmentVariables") or {}),
            },
        )

    def _deployment(self, request: Request) -> Document:
        endpoint, name = self.endpoint(request)["name"], request.path_params["name"]
        subject = f"deployment {name} of the online endpoint {endpoint}"
        return self._find("online_deployment", _key(endpoint, name), subject)

    def _described(self, deployment: Document) -> Document:
        properties = {
            "scaleSettings": {"scaleType": "Default"},
            **{key: value for key, value in deployment["properties"].items() if value is not None},
            "provisioningState": deployment["state"],
        }
        path = f"onlineEndpoints/{deployment['endpoint']}/deployments/{deployment['name']}"
        times = {"created": deployment["created"], "modified": deployment["modified"]}
        return self._resource(path, properties, **times) | {
            "location": self._names.region,
            "tags": deployment["tags"],
            "sku": deployment["sku"],
            "kind": "Managed",
        }


def _key(endpoint: str, name: str) -> str:
    return f"{endpoint}/{name}".lower()


def _folder_of(deployment: Document) -> str:
    return f"endpoints/{_key(deployment['endpoint'], deployment['name'])}"


def _check_server(environment: Document) -> None:
    """Refuse a conda specification without an inference server; an unchanged image may contain one."""
    section = environment["python"]
    asked = [] if section.get("userManagedDependencies") else requirements(section.get("condaDependencies") or {})
    names = [re.split(r"[^\w.-]", text.strip().lower())[0].replace("_", "-") for text in asked]
    if not section.get("userManagedDependencies") and not set(names) & set(_SERVERS):
        raise ScoringError(
            "The environment has no inference server: add azureml-inference-server-http to its conda specification"
        )
