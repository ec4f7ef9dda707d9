"""Submission and cancellation of jobs."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class Execution:
    """Submission of snapshots to clusters."""

    def __init__(self, state: State, clusters: Clusters) -> None:
        self._state = state
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
        if self._state.store.get("submission", run_id) is None:
            configuration = submission["Configuration"]
            queue(
                self._state,
                self._clusters,
                run_id=run_id,
                experiment=request.path_params["experiment"],
                submission=submission,
                runType="azureml.scriptrun",
                tags=configuration.get("tags") or {},
            )
        return JSONResponse({"runId": run_id})

    async def cancel(self, request: Request) -> Response:
        """Ask a job to end."""
        run_id = request.path_params["run"]
        if self._state.runs.get(run_id) is None:
            raise not_found(f"The run {run_id}")
        if self._state.runs.move(run_id, "CancelRequested"):
            self._clusters.cancel(run_id)
        return JSONResponse({})


def queue(
    state: State,
    clusters: Clusters,
    *,
    run_id: str,
    experiment: str,
    submission: Document,
    properties: Document | None = None,
    **fields: Any,
) -> None:
    """Begin a run of what is submitted, and put it into its cluster's queue.

    Parameters
    ----------
    state, clusters : State, Clusters
        Where runs are kept, and where they run.
    run_id, experiment : str
        The run's id and its experiment's name.
    submission : dict
        The configuration and the snapshot, as the first SDK writes them.
    properties : dict or None
        Properties of the run, beside those that every submitted run has.
    fields
        Further fields of the run.
    """
    configuration = submission["Configuration"]
    target = str(configuration.get("target"))
    check(state, submission)
    state.store.put("submission", run_id, submission)
    state.runs.add(
        run_id,
        experiment,
        target=target,
        scriptName=configuration.get("script"),
        parentRunId=submission.get("ParentRunId"),
        runDefinition=configuration,
        properties={
            "_azureml.ComputeTargetType": "amlctrain",
            "ContentSnapshotId": submission["SnapshotId"],
            "ProcessInfoFile": "azureml-logs/process_info.json",
            "ProcessStatusFile": "azureml-logs/process_status.json",
            **(properties or {}),
        },
        **fields,
    )
    clusters.submit(run_id, target)


def check(state: State, submission: Document) -> None:
    """Refuse what can't run here."""
    configuration, snapshot_id = submission["Configuration"], submission["SnapshotId"]
    target = str(configuration.get("target"))
    if state.store.get("compute", target) is None:
        raise Refusal(400, "UserError", f"The compute target {target} was not found.")
    if state.store.get("snapshot", snapshot_id) is None:
        raise Refusal(400, "UserError", f"The snapshot {snapshot_id} was not found.")
    if (configuration.get("nodeCount") or 1) > 1 or configuration.get("communicator") not in (None, "None"):
        raise Refusal(501, "NotImplemented", "the emulator covers no jobs of several nodes")
