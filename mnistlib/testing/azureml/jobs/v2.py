"""Jobs of azure-ai-ml, which are runs, and the routes by which it finds their outputs."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, listing, unsupported, user_error
from mnistlib.testing.azureml.jobs.commands import start_command
from mnistlib.testing.azureml.parameters import archived_states
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.runs.records import FINAL
from mnistlib.testing.azureml.store import Document

#: Properties of an existing job that may be changed.
_CHANGEABLE = ("description", "displayName", "tags", "properties", "isArchived", "services", "status")

_COMPONENTS = "management.azure.com{WORKSPACE}/components"
_HISTORY = "{region}.api.azureml.ms/history/v1.0{WORKSPACE}"


class Jobs(Resource):
    """Jobs by name, which is the id of their run."""

    base = "management.azure.com{WORKSPACE}/jobs"
    not_covered = (
        missing("DELETE", "/{name}", by="v2", purpose="Delete a job."),
        missing("GET", _COMPONENTS, by="v2", purpose="List components of pipelines."),
        missing(
            "PUT", f"{_COMPONENTS}/{{name}}/versions/{{version}}", by="v2", purpose="Register a component of pipelines."
        ),
        missing(
            "GET",
            f"{_HISTORY}/runs/{{run}}/serviceinstances/{{node}}",
            by="v2",
            purpose="Describe the interactive services of a node.",
        ),
    )

    @route("GET", "", by="v2")
    async def list_all(self, request: Request) -> Response:
        """List the jobs without a parent, newest first."""
        wanted = archived_states(request.query_params.get("listViewType"))
        runs = [run for run in self._runs.newest_first() if run["parentRunId"] is None]
        return listing([self._described(run) for run in runs if bool(run.get("hidden")) in wanted])

    @route("GET", "/{name}", by="v2")
    async def get(self, request: Request) -> Response:
        """Describe a job."""
        return JSONResponse(self._described(self._run(request)))

    @route("PUT", "/{name}", by="v2", unsupported="jobs other than commands on one node and sweeps over a grid")
    async def put(self, request: Request) -> Response:
        """Submit a job, or change its description; a job that is sent twice is not submitted again."""
        name: str = request.path_params["name"]
        job = (await request.json())["properties"]
        if self._runs.get(name) is not None:
            _check_same(name, self._store.get("job", name) or {}, job)
            self._runs.patch(name, _changes(job))
            return JSONResponse(self._described(self._run(request)))
        if job["jobType"] == "Command":
            start_command(self._state, self._runtime.clusters, name, job)
        elif job["jobType"] == "Sweep":
            self._runtime.sweeps.submit(name, job)
        else:
            raise unsupported(f"the emulator does not support jobs of type {job['jobType']}")
        return JSONResponse(self._described(self._run(request)), 201)

    @route("POST", "/{name}/cancel", by="v2")
    async def cancel(self, request: Request) -> Response:
        """Request the end of a job."""
        run = self._run(request)
        if run["status"] in FINAL:
            raise user_error(f"The job {run['runId']} is in status {run['status']} and can't be cancelled.")
        self._runtime.clusters.cancel(run["runId"])
        return Response(status_code=200)

    @route("POST", f"{_HISTORY}/rundata", by="v2")
    async def run_data(self, request: Request) -> Response:
        """Describe a run with its outputs."""
        run = self._find("run", (await request.json())["runId"])
        return JSONResponse({"runMetadata": {"outputs": {}} | run, "runDefinition": run.get("runDefinition")})

    @route("POST", "{region}.api.azureml.ms/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", by="v2")
    async def resolve_outputs(self, request: Request) -> Response:
        """Return the addresses of outputs; the id of an output is its address."""
        wanted = (await request.json())["values"]
        return JSONResponse({"values": {uri: {"uri": uri, "type": "uri_folder"} for uri in wanted}})

    def _run(self, request: Request) -> Document:
        name = request.path_params["name"]
        return self._find("run", name, f"job {name}")

    def _described(self, run: Document) -> Document:
        job = self._store.get("job", run["runId"]) or self._translated(run)
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
        return self._resource(f"jobs/{run['runId']}", properties, created=run["createdUtc"])

    def _translated(self, run: Document) -> Document:
        """Return the command job that is equivalent to a run of azureml-core."""
        names, configuration = self._names, run.get("runDefinition") or {}
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


def _changes(job: Document) -> Document:
    same = {key: job.get(key) for key in ("description", "displayName", "tags", "properties")}
    return same | {"hidden": job.get("isArchived")}


def _check_same(name: str, known: Document, job: Document) -> None:
    """Refuse another job under a name that is taken."""
    changed = [key for key in sorted({*known, *job} - {*_CHANGEABLE}) if known.get(key) != job.get(key)]
    if changed:
        raise Refusal(
            409,
            "UserError",
            f"A job with the name {name} exists already. Of an existing job only the description, the display name,"
            f" the tags and isArchived can be changed, not {', '.join(changed)}.",
        )
