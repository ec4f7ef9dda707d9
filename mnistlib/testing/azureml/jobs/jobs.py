"""Jobs: runs by the management interface."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.jobs.commands import start_command
from mnistlib.testing.azureml.jobs.sweeps import Sweeps
from mnistlib.testing.azureml.resource import ROOM, AnyCaseRoute, listing, resource
from mnistlib.testing.azureml.runs.records import FINAL
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

#: What may be said anew of a job that is there; the rest is what it is.
_REMARKS = ("description", "displayName", "tags", "properties", "isArchived", "services", "status")


class Jobs:
    """Jobs by name, which is their run's id."""

    def __init__(self, state: State, clusters: Clusters, sweeps: Sweeps) -> None:
        self._state = state
        self._clusters = clusters
        self._sweeps = sweeps

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            AnyCaseRoute(f"{ROOM}/jobs", self.list_all),
            AnyCaseRoute(f"{ROOM}/jobs/{{name}}", self.get),
            AnyCaseRoute(f"{ROOM}/jobs/{{name}}", self.put, methods=["PUT"]),
            AnyCaseRoute(f"{ROOM}/jobs/{{name}}/cancel", self.cancel, methods=["POST"]),
        ]

    async def list_all(self, request: Request) -> Response:
        """List the jobs that are nobody's children, newest first."""
        view = request.query_params.get("listViewType", "ActiveOnly").lower()
        wanted = {"archivedonly": (True,), "all": (True, False)}.get(view, (False,))
        runs = [run for run in self._state.runs.all()[::-1] if run["parentRunId"] is None]
        return listing([self._described(run) for run in runs if bool(run.get("hidden")) in wanted])

    async def get(self, request: Request) -> Response:
        """Describe a job."""
        return JSONResponse(self._described(self._find(request)))

    async def put(self, request: Request) -> Response:
        """Submit a job. The same job under the same name is not submitted again: its first answer was lost."""
        name: str = request.path_params["name"]
        job = (await request.json())["properties"]
        if self._state.runs.get(name) is not None:
            _check_same(name, self._state.store.get("job", name) or {}, job)
            self._state.runs.patch(name, _remarks(job))
            return JSONResponse(self._described(self._find(request)))
        if job["jobType"] == "Command":
            start_command(self._state, self._clusters, name, job)
        elif job["jobType"] == "Sweep":
            self._sweeps.submit(name, job)
        else:
            raise Refusal(501, "NotImplemented", f"the emulator covers no jobs of type {job['jobType']}")
        return JSONResponse(self._described(self._find(request)), 201)

    async def cancel(self, request: Request) -> Response:
        """Ask a job to end."""
        run = self._find(request)
        if run["status"] in FINAL:
            raise Refusal(
                400, "UserError", f"The job {run['runId']} is in status {run['status']} and can't be cancelled."
            )
        if self._state.runs.move(run["runId"], "CancelRequested"):
            self._clusters.cancel(run["runId"])
        return Response(status_code=200)

    def _find(self, request: Request) -> Document:
        run = self._state.runs.get(request.path_params["name"])
        if run is None:
            raise not_found(f"The job {request.path_params['name']}")
        return run

    def _described(self, run: Document) -> Document:
        job = self._state.store.get("job", run["runId"]) or self._translated(run)
        properties = job | {
            "status": run["status"],
            "displayName": run["displayName"],
            "description": run.get("description"),
            "experimentName": run["experimentName"],
            "services": {},
            "tags": run["tags"],
            "properties": run["properties"],
            "isArchived": bool(run.get("hidden")),
        }
        return resource(self._state.names, f"jobs/{run['runId']}", properties, created=run["createdUtc"])

    def _translated(self, run: Document) -> Document:
        """Return the command job that a run of the other SDK would have been."""
        names, configuration = self._state.names, run.get("runDefinition") or {}
        environment = configuration.get("environment") or {}
        script = " ".join(
            str(part) for part in [configuration.get("script") or "", *(configuration.get("arguments") or [])]
        )
        return {
            "jobType": "Command",
            "command": configuration.get("command") or f"python {script}".rstrip(),
            "computeId": f"{names.resource}/computes/{run['target']}" if run["target"] else None,
            "environmentId": f"{names.resource}/environments/{environment.get('name') or 'unknown'}"
            f"/versions/{environment.get('version') or '1'}",
            "environmentVariables": configuration.get("environmentVariables") or {},
            "inputs": {},
            "outputs": {},
        }


def _remarks(job: Document) -> Document:
    return {key: job.get(key) for key in ("description", "displayName", "tags", "properties")} | {
        "hidden": job.get("isArchived")
    }


def _check_same(name: str, known: Document, job: Document) -> None:
    """Refuse another job under a name that is taken."""
    changed = [key for key in sorted({*known, *job} - {*_REMARKS}) if known.get(key) != job.get(key)]
    if changed:
        raise Refusal(
            409,
            "UserError",
            f"A job with the name {name} exists already. Of an existing job only the description, the display name,"
            f" the tags and isArchived can be changed, not {', '.join(changed)}.",
        )
