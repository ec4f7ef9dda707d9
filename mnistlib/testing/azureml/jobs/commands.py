"""Command jobs, translated into what a node runs: one form of submission for both generations of the SDK."""

import re

from mnistlib.testing.azureml.answers import Refusal
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.data.assets import snapshot_behind
from mnistlib.testing.azureml.data.blob_locations import output_place, place_of
from mnistlib.testing.azureml.data.datastores import DEFAULT
from mnistlib.testing.azureml.environments.v2 import environment_of
from mnistlib.testing.azureml.jobs.execution import queue
from mnistlib.testing.azureml.parameters import seconds_of
from mnistlib.testing.azureml.resource import last_parts
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

#: The snapshot of a job that ships no code.
_NO_CODE = "no-code"
_PLACEHOLDER = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")


def normalized(command: str) -> str:
    """Return a command whose placeholders hold no blanks."""
    return _PLACEHOLDER.sub(r"${{\1}}", command)


def submission_of(state: State, run_id: str, job: Document, *, parent: str | None = None) -> Document:
    """Return the submission that runs a command job.

    Parameters
    ----------
    state : State
        Where the job's code, environment and data are.
    run_id : str
        The run.
    job : dict
        The job's properties as they were sent.
    parent : str or None
        The run that this one is a trial of.

    Raises
    ------
    Refusal
        If something that the job refers to does not exist, or is not covered.
    """
    _refuse_what_is_not_covered(job)
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
            output: {"assetId": place["uri"], "type": place["type"]}
            for output, place in submission["Configuration"]["outputs"].items()
        },
    )


def _refuse_what_is_not_covered(job: Document) -> None:
    several = ((job.get("resources") or {}).get("instanceCount") or 1) > 1
    if several or (job.get("distribution") or {}).get("distributionType") is not None:
        raise Refusal(501, "NotImplemented", "the emulator covers no jobs of several nodes")
    if "$[[" in job["command"]:
        raise Refusal(501, "NotImplemented", "the emulator covers no optional inputs: $[[...]] in a command")


def _outputs(job: Document) -> dict[str, Document]:
    return {name: wanted or {} for name, wanted in (job.get("outputs") or {}).items() if name != "default"}


def _input(state: State, given: Document) -> Document:
    if given["jobInputType"] == "literal":
        return {"value": given["value"]}
    place = place_of(state, given["uri"])
    return {"container": place.container, "path": place.path}


def _output(state: State, run_id: str, name: str, wanted: Document) -> Document:
    known = {"name": run_id, "default_datastore": DEFAULT}
    uri = _PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), wanted.get("uri") or "")
    place = place_of(state, uri) if uri else output_place(run_id, name)
    kind = wanted.get("jobOutputType") or "uri_folder"
    return {"container": place.container, "path": place.path, "type": kind, "uri": place.uri(state.names)}


def _snapshot(state: State, code_id: str | None) -> str:
    if code_id is None:
        state.store.put("snapshot", _NO_CODE, {"id": _NO_CODE, "files": {}, "root": {}})
        return _NO_CODE
    return snapshot_behind(state.store, code_id)
