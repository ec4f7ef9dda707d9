"""Script runs of azureml-core: submission and cancellation."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.jobs.submission import queue
from mnistlib.testing.azureml.resource import Resource, missing, route

_AUTOML = "{region}.api.azureml.ms/jasmine/v1.0{WORKSPACE}/experimentids/{experiment_id}/run"


class ScriptRuns(Resource):
    """Submission of snapshots to clusters."""

    base = "{region}.api.azureml.ms/execution/v1.0{WORKSPACE}/experiments/{experiment}"
    not_covered = (
        missing("POST", "/localrun", by="v1", purpose="Run a job on the client's machine."),
        missing("POST", _AUTOML, by="v1", purpose="Submit an AutoML run."),
    )

    @route("POST", "/snapshotrun", by="v1", unsupported="jobs of several nodes")
    async def submit(self, request: Request) -> Response:
        """Queue a job; one with a known id is not queued again, since its first answer was lost."""
        submission = await request.json()
        run_id = request.query_params["runId"]
        if self._store.get("submission", run_id) is None:
            queue(
                self._state,
                self._runtime.clusters,
                run_id=run_id,
                experiment=request.path_params["experiment"],
                submission=submission,
                runType="azureml.scriptrun",
                tags=submission["Configuration"].get("tags") or {},
            )
        return JSONResponse({"runId": run_id})

    @route("POST", "/runs/{run}/cancel", by="v1")
    async def cancel(self, request: Request) -> Response:
        """Request the end of a job."""
        run_id = request.path_params["run"]
        self._find("run", run_id)
        self._runtime.clusters.cancel(run_id)
        return JSONResponse({})
