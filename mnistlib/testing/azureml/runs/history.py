"""Experiments, runs and metrics, as the history and metric services of Azure ML answer both generations of the SDK."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import bad_argument, not_found, now, page
from mnistlib.testing.azureml.parameters import archived_states
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.runs.filters import matches
from mnistlib.testing.azureml.runs.metrics import add_metric
from mnistlib.testing.azureml.runs.records import FINAL
from mnistlib.testing.azureml.store import Document
from mnistlib.testing.azureml.tokens import LIFETIME

_LOG_FOLDERS = ("user_logs/", "azureml-logs/", "system_logs/", "logs/")
_EVENTS = {
    "Microsoft.MachineLearning.Run.Start": "Running",
    "Microsoft.MachineLearning.Run.Queued": "Queued",
    "Microsoft.MachineLearning.Run.Completed": "Completed",
    "Microsoft.MachineLearning.Run.Failed": "Failed",
    "Microsoft.MachineLearning.Run.Canceled": "Canceled",
    "Microsoft.MachineLearning.Run.CancelRequested": "CancelRequested",
}
_ERROR = "Microsoft.MachineLearning.Run.Error"  # the error of a run that is about to fail, reported by its own process

_BY_NAME, _BY_ID = "/experiments/{experiment}", "/experimentids/{experiment_id}"
#: Addresses of a run below the name and below the id of its experiment; ``/runs/{run}`` alone is one too.
_RUN, _RUN_BY_ID = f"{_BY_NAME}/runs/{{run}}", f"{_BY_ID}/runs/{{run}}"
_WAIT = "/metricsingest/wait"


class History(Resource):
    """Experiments and runs."""

    base = "{region}.api.azureml.ms/history/v1.0{WORKSPACE}"
    not_covered = (
        missing("DELETE", "/experimentids/{experiment_id}", by="v1", purpose="Delete an experiment."),
        missing("POST", "/experimentids/{experiment_id}/tags:delete", by="v1", purpose="Remove tags of an experiment."),
        missing("GET", "/experiments/{experiment}/metrics/{metric}", by="v1", purpose="Read a metric of old runs."),
        missing("GET", "/computes/{compute}/runs", by="v1", purpose="List the runs on a compute."),
    )

    @route("GET", _BY_NAME, _BY_ID, by="v1")
    async def experiment(self, request: Request) -> Response:
        """Describe an experiment."""
        return JSONResponse(self._find_experiment(request))

    @route("POST", _BY_NAME, by="v1")
    async def create_experiment(self, request: Request) -> Response:
        """Create an experiment, unless the name is taken."""
        return JSONResponse(self._runs.experiment(request.path_params["experiment"]))

    @route("PATCH", _BY_ID, by="v1")
    async def patch_experiment(self, request: Request) -> Response:
        """Change the tags of an experiment, archive or restore it."""
        experiment, body = self._find_experiment(request), await request.json()
        experiment["tags"] |= body.get("tags") or {}
        if body.get("archive") is not None:
            experiment["archivedTime"] = now() if body["archive"] else None
        return JSONResponse(self._store.put("experiment", experiment["name"], experiment))

    @route("POST", "/experiments:query", by="v1")
    async def experiments(self, request: Request) -> Response:
        """List experiments."""
        body = await request.json()
        archived = archived_states(body.get("viewType"))
        known = [found for found in self._store.all("experiment") if (found["archivedTime"] is not None) in archived]
        return _part([found for found in known if matches(found, body.get("filter"))], body)

    @route("GET", _RUN, _RUN_BY_ID, "/runs/{run}", by="v1")
    async def run(self, request: Request) -> Response:
        """Describe a run."""
        return JSONResponse(self._run(request))

    @route("PATCH", _RUN, by="v1, v2")
    @route("PATCH", _RUN_BY_ID, "/runs/{run}", by="v1")
    async def patch(self, request: Request) -> Response:
        """Change a run; create an unknown one."""
        return JSONResponse(self._patch(request, request.path_params["run"], await request.json()))

    @route("PATCH", f"{_BY_NAME}/batch/runs", by="v1")
    async def patch_all(self, request: Request) -> Response:
        """Change or create several runs."""
        wanted = (await request.json())["runs"]
        return JSONResponse(
            {"runs": {run["runId"]: self._patch(request, run["runId"], run) for run in wanted}, "errors": {}}
        )

    def _patch(self, request: Request, run_id: str, changes: Document) -> Document:
        if self._runs.get(run_id) is None:
            experiment = self._find_experiment(request)["name"]
            self._runs.add(run_id, experiment, parentRunId=changes.get("parentRunId"))
        self._runs.patch(run_id, changes)
        return self._find("run", run_id)

    @route("GET", f"{_RUN}/details", f"{_RUN_BY_ID}/details", by="v1")
    @route("GET", "/runs/{run}/details", by="v2")
    async def details(self, request: Request) -> Response:
        """Describe a run, with its error and the addresses of its logs."""
        run = self._run(request)
        logs = [name for name in self._runs.files(run["runId"]) if name.startswith(_LOG_FOLDERS)]
        wanted = ("runId", "target", "status", "startTimeUtc", "endTimeUtc", "error", "properties", "runDefinition")
        addresses = {name: self._runs.file_address(run["runId"], name) for name in logs}
        return JSONResponse(
            {key: run.get(key) for key in wanted}
            | {"warnings": None, "inputDatasets": [], "outputDatasets": [], "logFiles": addresses, "services": {}}
        )

    @route("POST", f"{_RUN}/events", f"{_RUN_BY_ID}/events", "/runs/{run}/events", by="v1")
    async def event(self, request: Request) -> Response:
        """Change the status of a run that its own process reports."""
        self._apply(self._run(request)["runId"], await request.json())
        return JSONResponse({})

    @route("POST", f"{_BY_NAME}/batch/events", by="v1")
    async def events(self, request: Request) -> Response:
        """Change the status of several runs."""
        for event in (await request.json())["events"]:
            self._apply(event["data"]["RunId"], event)
        return JSONResponse({"errors": []})

    def _apply(self, run_id: str, event: Document) -> None:
        status = _EVENTS.get(event["name"])
        if event["name"] == _ERROR and self._store.get("submission", run_id) is None:
            self._runs.note_error(run_id, event["data"].get("ErrorResponse"))
        if status is None:  # heartbeats, warnings: nothing changes
            return
        # A submitted job ends with its process: statuses that it reports of itself are ignored, and its error is kept.
        if self._store.get("submission", run_id) is None or status == "CancelRequested":
            self._runs.move(run_id, status, error=event["data"].get("ErrorResponse") if status in FINAL else None)

    @route("GET", f"{_RUN}/children", f"{_RUN_BY_ID}/children", by="v1")
    @route("GET", "/runs/{run}/children", by="v2")
    async def children(self, request: Request) -> Response:
        """List the children of a run."""
        parent = self._run(request)["runId"]
        children = [run for run in self._runs.newest_first() if run["parentRunId"] == parent]
        return _part(children, dict(request.query_params))

    @route("POST", f"{_BY_NAME}/runs:query", by="v1")
    async def query(self, request: Request) -> Response:
        """List the runs of an experiment that satisfy a filter."""
        body = await request.json()
        experiment = self._find_experiment(request)["experimentId"]
        runs = [run for run in self._runs.newest_first() if run["experimentId"] == experiment]
        return _part([run for run in runs if matches(run, body.get("filter"))], body)

    @route("DELETE", f"{_RUN}/tags", f"{_RUN_BY_ID}/tags", "/runs/{run}/tags", by="v1")
    async def delete_tags(self, request: Request) -> Response:
        """Remove tags."""
        self._runs.remove_tags(self._run(request)["runId"], await request.json())
        return JSONResponse({})

    @route("GET", f"{_RUN}/token", f"{_RUN_BY_ID}/token", "/runs/{run}/token", by="v1")
    async def token(self, request: Request) -> Response:
        """Renew the token of a job."""
        token = self._state.tokens.issue(runId=self._run(request)["runId"])
        expiry = datetime.now(UTC) + timedelta(seconds=LIFETIME)
        return JSONResponse({"token": token, "expiryTimeUtc": expiry.isoformat()})

    @route("GET POST", f"{_RUN}{_WAIT}", f"{_RUN_BY_ID}{_WAIT}", f"/runs/{{run}}{_WAIT}", by="v1")
    async def ingested(self, request: Request) -> Response:
        """Confirm that all metrics have been stored; they are stored before they are answered."""
        return JSONResponse({})

    def _run(self, request: Request) -> Document:
        return self._find("run", request.path_params["run"])

    def _find_experiment(self, request: Request) -> Document:
        name, number = request.path_params.get("experiment"), request.path_params.get("experiment_id")
        experiment = self._runs.find_experiment(name=name, number=number)
        if experiment is None:
            raise not_found(f"The experiment {name or number}")
        return experiment


class Metrics(Resource):
    """Metrics of each run by name; several values of one name are a list."""

    base = "{region}.api.azureml.ms/metric/v2.0{WORKSPACE}/runs/{run}"

    @route("POST", "/batch", by="v1")
    async def log(self, request: Request) -> Response:
        """Log metrics; a batch that is sent twice counts once."""
        run = self._run_id(request)
        for metric in (await request.json())["values"]:
            add_metric(self._store, run, metric)
        return JSONResponse({"errors": []})

    @route("POST", "/list", by="v1")
    async def list_all(self, request: Request) -> Response:
        """List the names of a run's metrics."""
        known = self._store.all("metric", prefix=f"{self._run_id(request)}/")
        return page([{"metricKey": {"name": metric["name"]}, "columns": metric["columns"]} for metric in known])

    @route("POST", "/full", by="v1")
    async def full(self, request: Request) -> Response:
        """Return all values of one metric."""
        name = (await request.json())["metricName"]
        return JSONResponse(self._find("metric", f"{self._run_id(request)}/{name}", f"metric {name}"))

    def _run_id(self, request: Request) -> str:
        return str(self._find("run", request.path_params["run"])["runId"])


def _part(values: list[Document], query: Document) -> JSONResponse:
    """Answer with the next part of a list, of at most `top` values."""
    try:
        start = int(query.get("continuationToken") or 0)
        end = start + int(query.get("top") or len(values))
    except ValueError as error:
        raise bad_argument(f"The query's continuationToken or top is not a number: {error}") from error
    return JSONResponse({"value": values[start:end], "continuationToken": str(end) if end < len(values) else None})
