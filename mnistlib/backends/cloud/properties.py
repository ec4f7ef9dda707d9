"""What this package notes about a run where the cluster keeps it: the names of its properties, and what they say."""

import json
import secrets
import time
from typing import Any

from mnistlib.backends.cloud.cluster_client import RemoteRun
from mnistlib.jobs import Job, SweepJob
from mnistlib.runs import RunRecord, RunStatus

#: Of every run: the ``type`` of its job.
JOB_TYPE = "mnistlib.job_type"
#: Of a training run: its job, as JSON, for sweeps that may take it over.
JOB = "mnistlib.job"
#: Of a sweep: the ids of its trials in their order, as JSON; null where the cluster chooses the id.
CHILDREN = "mnistlib.children"
#: Of a trial: its index in its sweep.
TRIAL = "mnistlib.trial"
#: Of a sweep whose runs have all completed before: it has a node of its own, to choose the best on.
CHOOSES = "mnistlib.chooses"
#: Of a run that has ended on its node: what its record adds to what the cluster knows, as JSON.
ENDED = "mnistlib.ended"

_TOLD_AT_THE_END = ("started", "ended", "metrics", "converged", "error", "best_trial")


def new_id(experiment: str) -> str:
    """Return an id that is ours before the cluster knows of it, so that a lost answer loses no run."""
    return f"{experiment}_{int(time.time())}_{secrets.token_hex(4)}"


def properties_of(job: Job) -> dict[str, str]:
    """Return the properties by which the run of a job is known for what it is."""
    return {JOB_TYPE: job.type} | ({JOB: job.to_json()} if job.training and not job.trials() else {})


def ended_properties(record: RunRecord) -> dict[str, str]:
    """Return the properties by which a node tells how its run has ended."""
    return {ENDED: json.dumps({name: getattr(record, name) for name in _TOLD_AT_THE_END})}


def is_sweep(run: RemoteRun) -> bool:
    """Return whether a run has runs of its own."""
    return run.properties.get(JOB_TYPE) == SweepJob.type


def record_of(run: RemoteRun) -> RunRecord:
    """Return the record of a run: what the cluster knows, and what the node has told at its end."""
    told: dict[str, Any] = json.loads(run.properties.get(ENDED, "{}"))
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
        **(told | {"error": (told.get("error") or run.error) if failed else None}),
    )
