"""Command jobs of azure-ai-ml, translated into submissions in the form of azureml-core."""

import re

from mnistlib.testing.azureml.answers import unsupported
from mnistlib.testing.azureml.code.snapshots import keep_snapshot, snapshot_behind
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.data.blob_locations import DEFAULT_DATASTORE, location_of, output_location
from mnistlib.testing.azureml.environments.definitions import environment_of
from mnistlib.testing.azureml.jobs.submission import queue
from mnistlib.testing.azureml.parameters import last_parts, seconds_of
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

#: Snapshot of a job without code.
_NO_CODE = "no-code"
_PLACEHOLDER = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")


def normalized(command: str) -> str:
    """Return a command without blanks in its placeholders."""
    return _PLACEHOLDER.sub(r"${{\1}}", command)


def submission_of(state: State, run_id: str, job: Document, *, parent: str | None = None) -> Document:
    """Return the submission of a command job, from its properties as they were sent; `parent` is its sweep.

    Raises
    ------
    Refusal
        If something that the job refers to does not exist, or is not supported.
    """
    _check_supported(job)
    limits = job.get("limits") or {}
    configuration = {
        "command": normalized(job["command"]),
        "target": last_parts(job.get("computeId") or "/none")[0],
        "environment": environment_of(state.store, job["environmentId"]),
        "environmentVariables": job.get("environmentVariables") or {},
        "maxRunDurationSeconds": seconds_of(limits["timeout"]) if limits.get("timeout") else None,
        "inputs": {name: _input(state, given) for name, given in (job.get("inputs") or {}).items()},
        "outputs": {name: _output(state, run_id, name, wanted) for name, wanted in _outputs(job).items()},
    }
    return {"Configuration": configuration, "SnapshotId": _snapshot(state, job.get("codeId")), "ParentRunId": parent}


def start_command(state: State, clusters: Clusters, name: str, job: Document, *, parent: str | None = None) -> None:
    """Submit a command job."""
    submission = submission_of(state, name, job, parent=parent)
    state.store.put("job", name, job)
    queue(
        state,
        clusters,
        run_id=name,
        experiment=job.get("experimentName") or "Default",
        submission=submission,
        runType="azureml.commandjob",
        properties=job.get("properties") or {},
        tags=job.get("tags") or {},
        displayName=job.get("displayName") or name,
        description=job.get("description"),
        outputs={
            output: {"assetId": target["uri"], "type": target["type"]}
            for output, target in submission["Configuration"]["outputs"].items()
        },
    )


def _check_supported(job: Document) -> None:
    several = ((job.get("resources") or {}).get("instanceCount") or 1) > 1
    if several or (job.get("distribution") or {}).get("distributionType") is not None:
        raise unsupported("the emulator does not support jobs of several nodes")
    if "$[[" in job["command"]:
        raise unsupported("the emulator does not support optional inputs: $[[...]] in a command")


def _outputs(job: Document) -> dict[str, Document]:
    return {name: wanted or {} for name, wanted in (job.get("outputs") or {}).items() if name != "default"}


def _input(state: State, given: Document) -> Document:
    if given["jobInputType"] == "literal":
        return {"value": given["value"]}
    location = location_of(state, given["uri"])
    return {"container": location.container, "path": location.path}


def _output(state: State, run_id: str, name: str, wanted: Document) -> Document:
    known = {"name": run_id, "default_datastore": DEFAULT_DATASTORE}
    uri = _PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), wanted.get("uri") or "")
    location = location_of(state, uri) if uri else output_location(run_id, name)
    kind = wanted.get("jobOutputType") or "uri_folder"
    return {"container": location.container, "path": location.path, "type": kind, "uri": location.uri(state.names)}


def _snapshot(state: State, code_id: str | None) -> str:
    if code_id is None:
        keep_snapshot(state.store, _NO_CODE, {}, {})
        return _NO_CODE
    return snapshot_behind(state.store, code_id)
