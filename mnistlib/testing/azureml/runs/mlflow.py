"""MLflow's tracking server, over the same runs and metrics."""

import math
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, milliseconds, unsupported
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.runs.metrics import Logged, add_metric, numbers_of
from mnistlib.testing.azureml.runs.records import failure
from mnistlib.testing.azureml.store import Document

_STATUSES = {
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
    "Running": "RUNNING",
    "Finalizing": "RUNNING",
}
_FROM_STATUSES = {"RUNNING": "Running", "FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled"}
#: MLflow's own tags are stored as properties of a run, apart from the tags of users.
_OWN = "mlflow."

#: A call of Azure's own; the answer names no operation to wait for.
_LOG_BATCH_ASYNC = "{region}.api.azureml.ms/mlflow/v2.0{WORKSPACE}/api/2.0/preview/mlflow/runs/log-batch-async"


class MLflow(Resource):
    """Experiments, runs, parameters, metrics and tags in MLflow's form."""

    base = "{region}.api.azureml.ms/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow"
    not_covered = (
        missing("POST", "/runs/delete", by="MLflow", purpose="Delete a run."),
        missing("POST", "/runs/restore", by="MLflow", purpose="Restore a deleted run."),
        missing("POST", "/runs/log-model", by="MLflow", purpose="Record a logged model of a run."),
        missing("POST", "/runs/log-inputs", by="MLflow", purpose="Record the data sets of a run."),
        missing("POST", "/experiments/delete", by="MLflow", purpose="Delete an experiment."),
        missing("POST", "/experiments/update", by="MLflow", purpose="Rename an experiment."),
        missing("POST", "/experiments/set-experiment-tag", by="MLflow", purpose="Set a tag of an experiment."),
        missing("POST", "/logged-models", by="MLflow", purpose="Create a model of MLflow 3."),
    )

    @route("GET", "/runs/get", by="MLflow")
    async def get(self, request: Request) -> Response:
        """Describe a run."""
        query = request.query_params
        return JSONResponse({"run": self._described(self._run(query.get("run_id") or query.get("run_uuid")))})

    @route("POST", "/runs/create", by="MLflow")
    async def create(self, request: Request) -> Response:
        """Create a run outside any job."""
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
        return JSONResponse({"run": self._described(self._run(run_id))})

    @route("POST", "/runs/update", by="MLflow")
    async def update(self, request: Request) -> Response:
        """Change the status of a run, or its name; a submitted job ends with its process only."""
        body = await request.json()
        run = self._run(body["run_id"])
        if body.get("run_name"):
            self._runs.patch(run["runId"], {"displayName": body["run_name"]})
        status = _FROM_STATUSES.get(body.get("status"))
        if status is not None and self._store.get("submission", run["runId"]) is None:
            error = failure("The run says that it has failed.") if status == "Failed" else None
            self._runs.move(run["runId"], status, error=error)
        return JSONResponse({"run_info": self._info(self._run(run["runId"]))})

    @route("POST", "/runs/search", by="MLflow", unsupported="a filter")
    async def search(self, request: Request) -> Response:
        """List the runs of experiments, newest first."""
        body = await request.json()
        if body.get("filter"):
            raise unsupported(f"the emulator does not support MLflow filters: {body['filter']}")
        runs = [run for run in self._runs.newest_first() if run["experimentId"] in (body.get("experiment_ids") or [])]
        return JSONResponse({"runs": [self._described(run) for run in runs[: body.get("max_results") or len(runs)]]})

    @route("POST", "/runs/log-metric", by="MLflow")
    async def log_metric(self, request: Request) -> Response:
        """Log one number."""
        body = await request.json()
        self._log(self._run(body["run_id"])["runId"], body)
        return JSONResponse({})

    @route("POST", "/runs/log-parameter", by="MLflow")
    async def log_parameter(self, request: Request) -> Response:
        """Log one parameter."""
        body = await request.json()
        self._set_parameters(self._run(body["run_id"])["runId"], [body])
        return JSONResponse({})

    @route("POST", "/runs/log-batch", by="MLflow")
    @route("POST", _LOG_BATCH_ASYNC, by="MLflow")
    async def log_batch(self, request: Request) -> Response:
        """Log metrics, parameters and tags together."""
        body = await request.json()
        run_id = self._run(body["run_id"])["runId"]
        self._set_parameters(run_id, body.get("params") or [])
        for metric in body.get("metrics") or []:
            self._log(run_id, metric)
        self._tag(run_id, {tag["key"]: tag["value"] for tag in body.get("tags") or []})
        return JSONResponse({})

    @route("POST", "/runs/set-tag", by="MLflow")
    async def set_tag(self, request: Request) -> Response:
        """Set a tag."""
        body = await request.json()
        self._tag(self._run(body["run_id"])["runId"], {body["key"]: body["value"]})
        return JSONResponse({})

    @route("POST", "/runs/delete-tag", by="MLflow")
    async def delete_tag(self, request: Request) -> Response:
        """Remove a tag."""
        body = await request.json()
        self._runs.remove_tags(self._run(body["run_id"])["runId"], [body["key"]])
        return JSONResponse({})

    @route("GET", "/metrics/get-history", by="MLflow")
    async def history(self, request: Request) -> Response:
        """Return all values of one metric."""
        query = request.query_params
        run = self._run(query.get("run_id") or query.get("run_uuid"))
        key = query["metric_key"]
        logged = numbers_of(self._store, run["runId"]).get(key, [])
        return JSONResponse({"metrics": [_metric(key, number) for number in logged]})

    @route("GET", "/experiments/get", "/experiments/get-by-name", by="MLflow")
    async def experiment(self, request: Request) -> Response:
        """Describe an experiment, by its name or its id."""
        query = request.query_params
        found = self._find_experiment(name=query.get("experiment_name"), number=query.get("experiment_id"))
        return JSONResponse({"experiment": self._experiment(found)})

    @route("POST", "/experiments/create", by="MLflow")
    async def create_experiment(self, request: Request) -> Response:
        """Create an experiment."""
        name = (await request.json())["name"]
        if self._store.get("experiment", name) is not None:
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"There is an experiment {name} already.")
        return JSONResponse({"experiment_id": self._runs.experiment(name)["experimentId"]})

    @route("GET", "/experiments/search", by="MLflow")
    @route("POST", "/experiments/search", by="MLflow")
    async def experiments(self, request: Request) -> Response:
        """List experiments."""
        return JSONResponse({"experiments": [self._experiment(known) for known in self._store.all("experiment")]})

    @route("GET", "/artifacts/list", by="MLflow")
    async def artifacts(self, request: Request) -> Response:
        """List the files and folders directly below a folder of a run."""
        run = self._run(request.query_params.get("run_id"))
        path = request.query_params.get("path", "").strip("/")
        prefix = f"{path}/" if path else ""
        found: dict[str, bool] = {}
        for name in self._runs.files(run["runId"], prefix):
            head, below, _ = name.removeprefix(prefix).partition("/")
            found[prefix + head] = bool(below)
        files = [{"path": name, "is_dir": is_folder} for name, is_folder in sorted(found.items())]
        return JSONResponse({"root_uri": self._runs.artifact_uri(run), "files": files})

    @route("POST", "/logged-models/search", by="MLflow")
    async def models(self, request: Request) -> Response:
        """List the logged models of MLflow 3: always none, since no covered route logs one."""
        return JSONResponse({"models": []})

    def _run(self, run_id: str | None) -> Document:
        run = self._runs.get(run_id or "")
        if run is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={run_id} not found")
        return run

    def _find_experiment(self, *, name: str | None = None, number: str | None = None) -> Document:
        experiment = self._runs.find_experiment(name=name, number=number)
        if experiment is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"There is no experiment {name or number}.")
        return experiment

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
            "start_time": milliseconds(run["startTimeUtc"] or run["createdUtc"]),
            **({"end_time": milliseconds(run["endTimeUtc"])} if run["endTimeUtc"] else {}),
            "artifact_uri": self._runs.artifact_uri(run),
            "lifecycle_stage": "active",
        }

    def _experiment(self, experiment: Document) -> Document:
        return {
            "experiment_id": experiment["experimentId"],
            "name": experiment["name"],
            "artifact_location": "",
            "lifecycle_stage": "active" if experiment["archivedTime"] is None else "deleted",
            "creation_time": milliseconds(experiment["createdUtc"]),
            "tags": _pairs(experiment["tags"]),
        }


def _latest(numbers: list[Logged]) -> Logged:
    return max(numbers, key=lambda number: (number.step, number.timestamp))


def _metric(key: str, number: Logged) -> dict[str, Any]:
    return {"key": key, "value": _number(number.value), "step": number.step, "timestamp": number.timestamp}


def _number(value: float) -> float | str:
    """Return a number in a form that JSON can hold."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _pairs(values: Document) -> list[Document]:
    return [{"key": key, "value": str(value)} for key, value in values.items()]
