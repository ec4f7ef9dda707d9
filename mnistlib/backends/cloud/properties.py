"""Properties of a run on a cluster: their names and contents."""

import json
import secrets
import time
from typing import Any

from mnistlib.backends.cloud.cluster_client import RemoteRun
from mnistlib.jobs import Job
from mnistlib.runs import RunRecord, RunStatus

#: All runs: the ``type`` of the job.
JOB_TYPE = "mnistlib.job_type"
#: Training runs: the job, as JSON, for sweeps that may reuse the run.
JOB = "mnistlib.job"
#: Sweeps: the ids of the trials in order, as JSON; null if the cluster chooses the id.
CHILDREN = "mnistlib.children"
#: Trials: the index in the sweep.
TRIAL = "mnistlib.trial"
#: Sweeps that reuse all trials: such a sweep has its own node, which chooses the best.
CHOOSES = "mnistlib.chooses"
#: Runs that have ended on their node: further fields of their record, as JSON.
ENDED = "mnistlib.ended"

_FIELDS_AT_THE_END = ("started", "ended", "metrics", "converged", "error", "best_trial")


def new_id(experiment: str) -> str:
    """Return a new run id, chosen before submission so that a run can be found after a lost answer."""
    return f"{experiment}_{int(time.time())}_{secrets.token_hex(4)}"


def properties_of(job: Job) -> dict[str, str]:
    """Return the properties of a run that describe its job."""
    return {JOB_TYPE: job.type} | ({JOB: job.to_json()} if job.reusable else {})


def ended_properties(record: RunRecord) -> dict[str, str]:
    """Return the properties in which a node reports the end of its run."""
    return {ENDED: json.dumps({name: getattr(record, name) for name in _FIELDS_AT_THE_END})}


def is_sweep(run: RemoteRun) -> bool:
    """Return whether a run is a sweep."""
    return CHILDREN in run.properties


def record_of(run: RemoteRun) -> RunRecord:
    """Return the record of a run, from the cluster and from the node's report of its end."""
    reported: dict[str, Any] = json.loads(run.properties.get(ENDED, "{}"))
    failed = run.status is RunStatus.FAILED
    return RunRecord(
        run_id=run.run_id,
        experiment=run.experiment,
        job_type=run.properties.get(JOB_TYPE, ""),
        status=run.status,
        process="",
        created=run.created,
        name=run.name,
        tags=run.tags,
        parent=run.parent,
        children=tuple(name for name in json.loads(run.properties.get(CHILDREN, "[]")) if name),
        **(reported | {"error": (reported.get("error") or run.error) if failed else None}),
    )
