"""Submission of runs to clusters: one form of submission for both generations of the SDK."""

from typing import Any

from mnistlib.testing.azureml.answers import unsupported, user_error
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


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
    """Create the run of a submission in the form of azureml-core, and put it into the queue of its cluster.

    The run gets `properties` beside those of every submitted run, and further `fields`.
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
    """Refuse a submission that cannot run here."""
    configuration, snapshot_id = submission["Configuration"], submission["SnapshotId"]
    target = str(configuration.get("target"))
    if state.store.get("compute", target) is None:
        raise user_error(f"The compute target {target} was not found.")
    if state.store.get("snapshot", snapshot_id) is None:
        raise user_error(f"The snapshot {snapshot_id} was not found.")
    if (configuration.get("nodeCount") or 1) > 1 or configuration.get("communicator") not in (None, "None"):
        raise unsupported("the emulator does not support jobs of several nodes")
