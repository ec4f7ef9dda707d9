"""MLflow's tracking server over the same runs and metrics."""

import math
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal
from mnistlib.testing.azureml.runs.metrics import Logged, add_metric, numbers_of
from mnistlib.testing.azureml.runs.records import failure
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

_STATUSES = {
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
    "Running": "RUNNING",
    "Finalizing": "RUNNING",
}
_FROM_STATUSES = {"RUNNING": "Running", "FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled"}
#: MLflow's own tags are properties of a run, where nobody who looks at the tags is bothered by them.
_OWN = "mlflow."


class MLflow:
    """Experiments, runs, parameters, metrics and tags as MLflow sees them."""

    def __init__(self, state: State) -> None:
        self._names = state.names
        self._store = state.store
        self._runs = state.runs

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        calls = [
            ("runs/get", self.get, "GET"),
            ("runs/create", self.create, "POST"),
            ("runs/update", self.update, "POST"),
            ("runs/search", self.search, "POST"),
            ("runs/log-metric", self.log_metric, "POST"),
            ("runs/log-parameter", self.log_parameter, "POST"),
            ("runs/log-batch", self.log_batch, "POST"),
            ("runs/set-tag", self.set_tag, "POST"),
            ("runs/delete-tag", self.delete_tag, "POST"),
            ("metrics/get-history", self.history, "GET"),
            ("experiments/get", self.experiment, "GET"),
            ("experiments/get-by-name", self.experiment, "GET"),
            ("experiments/create", self.create_experiment, "POST"),
            ("experiments/search", self.experiments, "POST"),
            ("experiments/search", self.experiments, "GET"),
            ("artifacts/list", self.artifacts, "GET"),
            ("logged-models/search", self.models, "POST"),
        ]
        return [
            *(Route(f"/mlflow/api/2.0/mlflow/{path}", call, methods=[method]) for path, call, method in calls),
            # A call of Azure's own; the answer names nothing to wait for.
            Route("/mlflow/api/2.0/preview/mlflow/runs/log-batch-async", self.log_batch, methods=["POST"]),
        ]

    async def get(self, request: Request) -> Response:
        """Describe a run."""
        query = request.query_params
        return JSONResponse({"run": self._described(self._find(query.get("run_id") or query.get("run_uuid")))})

    async def create(self, request: Request) -> Response:
        """Begin a run outside any job."""
        body = await request.json()
        run_id = str(uuid.uuid4())
        tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
        experiment = self._find_experiment(number=body["experiment_id"])
        self._runs.add(
            run_id,
            experiment["name"],
            displayName=body.get("run_name") or tags.get("mlflow.runName") or run_id,
            parentRunId=tags.get("mlflow.parentRunId"),
        )
        self._tag(run_id, tags)
        self._runs.move(run_id, "Running")
        return JSONResponse({"run": self._described(self._find(run_id))})

    async def update(self, request: Request) -> Response:
        """Move a run on, or rename it. A submitted job ends when its process does, whatever is said of it before."""
        body = await request.json()
        run = self._find(body["run_id"])
        if body.get("run_name"):
            self._runs.patch(run["runId"], {"displayName": body["run_name"]})
        status = _FROM_STATUSES.get(body.get("status"))
        if status is not None and self._store.get("submission", run["runId"]) is None:
            error = failure("The run says that it has failed.") if status == "Failed" else None
            self._runs.move(run["runId"], status, error=error)
        return JSONResponse({"run_info": self._info(self._find(run["runId"]))})

    async def search(self, request: Request) -> Response:
        """List the runs of experiments, newest first."""
        body = await request.json()
        if body.get("filter"):
            raise Refusal(501, "NotImplemented", f"the emulator covers no filter of MLflow's: {body['filter']}")
        runs = [run for run in self._runs.all()[::-1] if run["experimentId"] in (body.get("experiment_ids") or [])]
        return JSONResponse({"runs": [self._described(run) for run in runs[: body.get("max_results") or len(runs)]]})

    async def log_metric(self, request: Request) -> Response:
        """Log one number."""
        body = await request.json()
        self._log(self._find(body["run_id"])["runId"], body)
        return JSONResponse({})

    async def log_parameter(self, request: Request) -> Response:
        """Log one parameter."""
        body = await request.json()
        self._set_parameters(self._find(body["run_id"])["runId"], [body])
        return JSONResponse({})

    async def log_batch(self, request: Request) -> Response:
        """Log many things at once."""
        body = await request.json()
        run_id = self._find(body["run_id"])["runId"]
        self._set_parameters(run_id, body.get("params") or [])
        for metric in body.get("metrics") or []:
            self._log(run_id, metric)
        self._tag(run_id, {tag["key"]: tag["value"] for tag in body.get("tags") or []})
        return JSONResponse({})

    async def set_tag(self, request: Request) -> Response:
        """Set a tag."""
        body = await request.json()
        self._tag(self._find(body["run_id"])["runId"], {body["key"]: body["value"]})
        return JSONResponse({})

    async def delete_tag(self, request: Request) -> Response:
        """Remove a tag."""
        body = await request.json()
        self._runs.remove_tags(self._find(body["run_id"])["runId"], [body["key"]])
        return JSONResponse({})

    async def history(self, request: Request) -> Response:
        """Return all values of one metric."""
        query = request.query_params
        run = self._find(query.get("run_id") or query.get("run_uuid"))
        key = query["metric_key"]
        logged = numbers_of(self._store, run["runId"]).get(key, [])
        return JSONResponse({"metrics": [_metric(key, number) for number in logged]})

    async def experiment(self, request: Request) -> Response:
        """Describe an experiment, by its name or its number."""
        query = request.query_params
        found = self._find_experiment(name=query.get("experiment_name"), number=query.get("experiment_id"))
        return JSONResponse({"experiment": self._experiment(found)})

    async def create_experiment(self, request: Request) -> Response:
        """Make an experiment."""
        name = (await request.json())["name"]
        if self._store.get("experiment", name) is not None:
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"There is an experiment {name} already.")
        return JSONResponse({"experiment_id": self._runs.experiment(name)["experimentId"]})

    async def experiments(self, request: Request) -> Response:
        """List experiments."""
        return JSONResponse({"experiments": [self._experiment(known) for known in self._store.all("experiment")]})

    async def artifacts(self, request: Request) -> Response:
        """List what is directly below a folder of a run."""
        run = self._find(request.query_params.get("run_id"))
        path = request.query_params.get("path", "").strip("/")
        prefix = f"{path}/" if path else ""
        found: dict[str, bool] = {}
        for name in self._runs.files(run["runId"], prefix):
            head, below, _ = name.removeprefix(prefix).partition("/")
            found[prefix + head] = bool(below)
        files = [{"path": name, "is_dir": is_folder} for name, is_folder in sorted(found.items())]
        return JSONResponse({"root_uri": self._artifacts_of(run), "files": files})

    async def models(self, request: Request) -> Response:
        """List the models of MLflow 3 that runs have logged: none, for there is no call to log one."""
        return JSONResponse({"models": []})

    def _find(self, run_id: str | None) -> Document:
        run = self._runs.get(run_id or "")
        if run is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={run_id} not found")
        return run

    def _find_experiment(self, *, name: str | None = None, number: str | None = None) -> Document:
        for experiment in self._store.all("experiment"):
            if experiment["name"] == name or experiment["experimentId"] == number:
                return experiment
        raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"There is no experiment {name or number}.")

    def _log(self, run_id: str, metric: Document) -> None:
        key = metric["key"]
        value = {
            "metricId": str(uuid.uuid4()),
            "createdUtc": datetime.fromtimestamp(int(metric.get("timestamp") or 0) / 1000, UTC).isoformat(),
            "step": int(metric.get("step") or 0),
            "data": {key: _number(float(metric["value"]))},
        }
        properties = {"uxMetricType": "azureml.v1.scalar"}
        add_metric(
            self._store, run_id, {"name": key, "columns": {key: "Double"}, "value": [value], "properties": properties}
        )

    def _set_parameters(self, run_id: str, parameters: list[Document]) -> None:
        known = self._store.get("parameters", run_id) or {}
        for parameter in parameters:
            key, value = parameter["key"], str(parameter["value"])
            if known.setdefault(key, value) != value:
                raise Refusal(
                    400, "INVALID_PARAMETER_VALUE", f"The parameter {key} is {known[key]!r} already, and can't change."
                )
        self._store.put("parameters", run_id, known)

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        own = {key: value for key, value in tags.items() if key.startswith(_OWN)}
        self._runs.patch(run_id, {"properties": own, "tags": {key: tags[key] for key in tags.keys() - own.keys()}})

    def _described(self, run: Document) -> Document:
        logged = numbers_of(self._store, run["runId"])
        parameters = self._store.get("parameters", run["runId"]) or {}
        own = {key: value for key, value in run["properties"].items() if key.startswith(_OWN)}
        own |= {"mlflow.runName": run["displayName"]}
        if run["parentRunId"]:
            own["mlflow.parentRunId"] = run["parentRunId"]
        return {
            "info": self._info(run),
            "data": {
                "metrics": [_metric(key, _latest(numbers)) for key, numbers in logged.items()],
                "params": _pairs(parameters),
                "tags": _pairs(run["tags"] | own),
            },
            "inputs": {},
        }

    def _info(self, run: Document) -> Document:
        return {
            "run_id": run["runId"],
            "run_uuid": run["runId"],
            "run_name": run["displayName"],
            "experiment_id": run["experimentId"],
            "user_id": "loopback",
            "status": _STATUSES.get(run["status"], "SCHEDULED"),
            "start_time": _milliseconds(run["startTimeUtc"] or run["createdUtc"]),
            **({"end_time": _milliseconds(run["endTimeUtc"])} if run["endTimeUtc"] else {}),
            "artifact_uri": self._artifacts_of(run),
            "lifecycle_stage": "active",
        }

    def _artifacts_of(self, run: Document) -> str:
        place = f"{self._names.resource}/experiments/{run['experimentName']}/runs/{run['runId']}/artifacts"
        return f"azureml://{self._names.api_host}/artifact/v2.0{place}"

    def _experiment(self, experiment: Document) -> Document:
        return {
            "experiment_id": experiment["experimentId"],
            "name": experiment["name"],
            "artifact_location": "",
            "lifecycle_stage": "active" if experiment["archivedTime"] is None else "deleted",
            "creation_time": _milliseconds(experiment["createdUtc"]),
            "tags": _pairs(experiment["tags"]),
        }


def _latest(numbers: list[Logged]) -> Logged:
    return max(numbers, key=lambda number: (number.step, number.timestamp))


def _metric(key: str, number: Logged) -> dict[str, Any]:
    return {"key": key, "value": _number(number.value), "step": number.step, "timestamp": number.timestamp}


def _number(value: float) -> float | str:
    """Return a number as JSON can hold it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _pairs(values: Document) -> list[Document]:
    return [{"key": key, "value": str(value)} for key, value in values.items()]


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)
