"""Experiments and runs."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found, now
from mnistlib.testing.azureml.runs.filters import matches
from mnistlib.testing.azureml.runs.records import FINAL
from mnistlib.testing.azureml.state import State
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
_ERROR = "Microsoft.MachineLearning.Run.Error"  # why a run is about to fail, as its own process says


class History:
    """Experiments and runs."""

    def __init__(self, state: State) -> None:
        self._store = state.store
        self._runs = state.runs
        self._tokens = state.tokens

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        by_name, by_id = "/history/experiments/{experiment}", "/history/experimentids/{experiment_id}"
        one_run = [
            ("", self.run, "GET"),
            ("", self.patch, "PATCH"),
            ("/details", self.details, "GET"),
            ("/events", self.event, "POST"),
            ("/children", self.children, "GET"),
            ("/tags", self.delete_tags, "DELETE"),
            ("/token", self.token, "GET"),
            ("/metricsingest/wait", self.ingested, "GET"),
            ("/metricsingest/wait", self.ingested, "POST"),
        ]
        return [
            *(
                Route(f"{root}/runs/{{run}}{rest}", call, methods=[method])
                for root in (by_name, by_id, "/history")
                for rest, call, method in one_run
            ),
            Route("/history/experiments:query", self.experiments, methods=["POST"]),
            Route(f"{by_name}/runs:query", self.query, methods=["POST"]),
            Route(f"{by_name}/batch/runs", self.patch_all, methods=["PATCH"]),
            Route(f"{by_name}/batch/events", self.events, methods=["POST"]),
            Route(by_name, self.experiment, methods=["GET"]),
            Route(by_name, self.create_experiment, methods=["POST"]),
            Route(by_id, self.experiment, methods=["GET"]),
            Route(by_id, self.patch_experiment, methods=["PATCH"]),
        ]

    async def experiment(self, request: Request) -> Response:
        """Describe an experiment."""
        return JSONResponse(self._find_experiment(request))

    async def create_experiment(self, request: Request) -> Response:
        """Make an experiment, if there is none of this name."""
        return JSONResponse(self._runs.experiment(request.path_params["experiment"]))

    async def patch_experiment(self, request: Request) -> Response:
        """Change an experiment's tags, or put it into the archive."""
        experiment, body = self._find_experiment(request), await request.json()
        experiment["tags"] |= body.get("tags") or {}
        if body.get("archive") is not None:
            experiment["archivedTime"] = now() if body["archive"] else None
        return JSONResponse(self._store.put("experiment", experiment["name"], experiment))

    async def experiments(self, request: Request) -> Response:
        """List experiments."""
        body = await request.json()
        archived = {"ArchivedOnly": (True,), "All": (True, False)}.get(str(body.get("viewType")), (False,))
        known = [found for found in self._store.all("experiment") if (found["archivedTime"] is not None) in archived]
        return _page([found for found in known if matches(found, body.get("filter"))], body)

    async def run(self, request: Request) -> Response:
        """Describe a run."""
        return JSONResponse(self._find(request))

    async def patch(self, request: Request) -> Response:
        """Change a run; one that does not exist begins."""
        return JSONResponse(self._patch(request, request.path_params["run"], await request.json()))

    async def patch_all(self, request: Request) -> Response:
        """Change or begin several runs."""
        wanted = (await request.json())["runs"]
        return JSONResponse(
            {"runs": {run["runId"]: self._patch(request, run["runId"], run) for run in wanted}, "errors": {}}
        )

    def _patch(self, request: Request, run_id: str, changes: Document) -> Document:
        if self._runs.get(run_id) is None:
            experiment = self._find_experiment(request)["name"]
            self._runs.add(run_id, experiment, parentRunId=changes.get("parentRunId"))
        self._runs.patch(run_id, changes)
        run = self._runs.get(run_id)
        assert run is not None
        return run

    async def details(self, request: Request) -> Response:
        """Describe a run with its error and the addresses of its logs."""
        run = self._find(request)
        logs = [name for name in self._runs.files(run["runId"]) if name.startswith(_LOG_FOLDERS)]
        wanted = ("runId", "target", "status", "startTimeUtc", "endTimeUtc", "error", "properties", "runDefinition")
        addresses = {name: self._runs.file_address(run["runId"], name) for name in logs}
        return JSONResponse(
            {key: run.get(key) for key in wanted}
            | {"warnings": None, "inputDatasets": [], "outputDatasets": [], "logFiles": addresses, "services": {}}
        )

    async def event(self, request: Request) -> Response:
        """Move a run on, as its own process says."""
        self._apply(self._find(request)["runId"], await request.json())
        return JSONResponse({})

    async def events(self, request: Request) -> Response:
        """Move several runs on."""
        for event in (await request.json())["events"]:
            self._apply(event["data"]["RunId"], event)
        return JSONResponse({"errors": []})

    def _apply(self, run_id: str, event: Document) -> None:
        status = _EVENTS.get(event["name"])
        if event["name"] == _ERROR and self._store.get("submission", run_id) is None:
            self._runs.note_error(run_id, event["data"].get("ErrorResponse"))
        if status is None:  # heartbeats, warnings: nothing changes
            return
        # A submitted job ends when its process does, whatever it says of itself before; its own failure is kept.
        if self._store.get("submission", run_id) is None or status == "CancelRequested":
            self._runs.move(run_id, status, error=event["data"].get("ErrorResponse") if status in FINAL else None)

    async def children(self, request: Request) -> Response:
        """List the runs that a run has begun."""
        parent = self._find(request)["runId"]
        return _page([run for run in self._newest_first() if run["parentRunId"] == parent], dict(request.query_params))

    async def query(self, request: Request) -> Response:
        """List the runs of an experiment that a filter lets through."""
        body = await request.json()
        experiment = self._find_experiment(request)["experimentId"]
        runs = [run for run in self._newest_first() if run["experimentId"] == experiment]
        return _page([run for run in runs if matches(run, body.get("filter"))], body)

    async def delete_tags(self, request: Request) -> Response:
        """Remove tags."""
        run = self._find(request)
        self._runs.remove_tags(run["runId"], await request.json())
        return JSONResponse({})

    async def token(self, request: Request) -> Response:
        """Give a job another token for its old one."""
        run = self._find(request)
        return JSONResponse({"token": self._tokens.issue(runId=run["runId"]), "expiryTimeUtc": _later(LIFETIME)})

    async def ingested(self, request: Request) -> Response:
        """Say that all metrics have arrived, which they have as soon as they were answered."""
        return JSONResponse({})

    def _newest_first(self) -> list[Document]:
        return self._runs.all()[::-1]

    def _find(self, request: Request) -> Document:
        run = self._runs.get(request.path_params["run"])
        if run is None:
            raise not_found(f"The run {request.path_params['run']}")
        return run

    def _find_experiment(self, request: Request) -> Document:
        name, number = request.path_params.get("experiment"), request.path_params.get("experiment_id")
        for experiment in self._store.all("experiment"):
            if name == experiment["name"] or number == experiment["experimentId"]:
                return experiment
        raise not_found(f"The experiment {name or number}")


def _page(values: list[Document], query: Document) -> JSONResponse:
    """Answer with a part of a list: at most `top` values from where the last part ended."""
    try:
        start = int(query.get("continuationToken") or 0)
        end = start + int(query.get("top") or len(values))
    except ValueError as error:
        raise Refusal(400, "BadArgument", f"The query's continuationToken or top is no number: {error}") from error
    return JSONResponse({"value": values[start:end], "continuationToken": str(end) if end < len(values) else None})


def _later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
