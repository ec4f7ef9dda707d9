"""Submission and cancellation of jobs."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found
from mnistlib.testing.azureml.cluster import Clusters
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class Execution:
    """Submission of snapshots to clusters."""

    def __init__(self, state: State, clusters: Clusters) -> None:
        self._store = state.store
        self._runs = state.runs
        self._clusters = clusters

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/execution/experiments/{experiment}/snapshotrun", self.submit, methods=["POST"]),
            Route("/execution/experiments/{experiment}/runs/{run}/cancel", self.cancel, methods=["POST"]),
        ]

    async def submit(self, request: Request) -> Response:
        """Queue a job. One whose id is known already is not queued again: its first answer was lost."""
        submission = await request.json()
        run_id = request.query_params["runId"]
        configuration = submission["Configuration"]
        target = str(configuration.get("target"))
        if self._store.get("submission", run_id) is not None:
            return JSONResponse({"runId": run_id})
        self._check(configuration, target, submission["SnapshotId"])
        self._store.put("submission", run_id, submission)
        self._runs.add(
            run_id,
            request.path_params["experiment"],
            target=target,
            runType="azureml.scriptrun",
            scriptName=configuration.get("script"),
            parentRunId=submission.get("ParentRunId"),
            runDefinition=configuration,
            properties={
                "_azureml.ComputeTargetType": "amlctrain",
                "ContentSnapshotId": submission["SnapshotId"],
                "ProcessInfoFile": "azureml-logs/process_info.json",
                "ProcessStatusFile": "azureml-logs/process_status.json",
            },
            tags=configuration.get("tags") or {},
        )
        self._clusters.submit(run_id, target)
        return JSONResponse({"runId": run_id})

    async def cancel(self, request: Request) -> Response:
        """Ask a job to end."""
        run_id = request.path_params["run"]
        if self._runs.get(run_id) is None:
            raise not_found(f"The run {run_id}")
        if self._runs.move(run_id, "CancelRequested"):
            self._clusters.cancel(run_id)
        return JSONResponse({})

    def _check(self, configuration: Document, target: str, snapshot_id: str) -> None:
        if self._store.get("compute", target) is None:
            raise Refusal(400, "UserError", f"The compute target {target} was not found.")
        if self._store.get("snapshot", snapshot_id) is None:
            raise Refusal(400, "UserError", f"The snapshot {snapshot_id} was not found.")
        if (configuration.get("nodeCount") or 1) > 1 or configuration.get("communicator") not in (None, "None"):
            raise Refusal(501, "NotImplemented", "the emulator covers no jobs of several nodes")
