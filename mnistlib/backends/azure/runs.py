"""Runs of a workspace and the properties that this package adds to them, for both SDKs."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mnistlib.backends.cloud.cluster_client import RemoteRun, Submission
from mnistlib.backends.cloud.properties import CHILDREN, JOB, JOB_TYPE, TRIAL
from mnistlib.errors import ClusterError
from mnistlib.jobs import TrainJob
from mnistlib.jobs.job import job_from_json
from mnistlib.runs import RunStatus
from mnistlib.runs.record import now

#: Status of a run in a workspace -> status; an unknown status counts as running.
STATUSES = {
    "NotStarted": RunStatus.QUEUED,
    "Queued": RunStatus.QUEUED,
    "Provisioning": RunStatus.PREPARING,
    "Preparing": RunStatus.PREPARING,
    "Starting": RunStatus.PREPARING,
    "Completed": RunStatus.COMPLETED,
    "Failed": RunStatus.FAILED,
    "NotResponding": RunStatus.RUNNING,
    "Canceled": RunStatus.CANCELLED,
}

#: Properties of a run: time of submission, display name, and the sweep that it belongs to.
CREATED, NAME, PARENT = "mnistlib.created", "mnistlib.name", "mnistlib.parent"

#: Property of a sweep of version 0.1: the regularization of each trial that the workspace itself has created.
_REGULARIZATION = "mnistlib.rates"

_PREFIX = "mnistlib."
_OUTPUT = re.compile(r"user_logs/std_log.*\.txt|azureml-logs/\d\d.*\.txt")


def status_of_run(azure_status: str) -> RunStatus:
    """Return the status of a run from its status in the workspace."""
    return STATUSES.get(azure_status, RunStatus.RUNNING)


def is_output(name: str) -> bool:
    """Return whether a file of a run is the output of its process."""
    return bool(_OUTPUT.fullmatch(name))


def new_properties(submission: Submission) -> dict[str, str]:
    """Return the properties of a run to submit."""
    properties = {**submission.properties, CREATED: now()}
    if submission.name:
        properties[NAME] = submission.name
    if submission.parent:
        properties[PARENT] = submission.parent
    return properties


def remote_run(
    run_id: str,
    experiment: str,
    azure_status: str,
    *,
    properties: Mapping[str, Any],
    tags: Mapping[str, Any],
    parent: str | None,
    created: str,
    read_error: Callable[[], str | None],
) -> RemoteRun:
    """Return a run of a workspace, submitted through either SDK, from the workspace's values.

    `parent` is the id of its parent run; `read_error` returns the error of a failed run.
    """
    # Including tags: a node of azureml-v2 can write tags only, and only the node describes a trial.
    fields = {name: str(value) for name, value in {**properties, **tags}.items()}
    parent = fields.get(PARENT) or parent
    status = status_of_run(azure_status)
    return RemoteRun(
        run_id=run_id,
        experiment=experiment,
        status=status,
        created=fields.get(CREATED) or created,
        name=fields.get(NAME),
        tags={name: str(value) for name, value in tags.items() if not name.startswith(_PREFIX)},
        properties=({JOB_TYPE: TrainJob.type} if parent else {}) | fields,
        parent=parent,
        error=read_error() if status is RunStatus.FAILED else None,
    )


def runs_of_sweep(
    sweep: RemoteRun, find: Callable[[str], RemoteRun | None], trials: Callable[[], Sequence[RemoteRun]]
) -> list[RemoteRun]:
    """Return the existing trials of a sweep, in order.

    `find` returns a run by its id; `trials` returns the trials that the workspace itself has created.
    """
    known: list[str | None] = json.loads(sweep.properties.get(CHILDREN, "[]"))
    left = [index for index, run_id in enumerate(known) if run_id is None]
    made = {_index_of(trial, sweep, left): trial for trial in trials()} if left else {}
    runs = [find(run_id) if run_id else made.get(index) for index, run_id in enumerate(known)]
    return [run for run in runs if run]


def _index_of(trial: RemoteRun, sweep: RemoteRun, left: Sequence[int]) -> int | None:
    """Return the index of a trial, from its properties, else from the number in its id; None if out of range."""
    if TRIAL in trial.properties:
        return int(trial.properties[TRIAL])
    if JOB in trial.properties and _REGULARIZATION in sweep.properties:
        training = job_from_json(trial.properties[JOB]).training
        assert training is not None
        values: list[float] = json.loads(sweep.properties[_REGULARIZATION])
        return left[values.index(training.regularization)]
    number = trial.run_id.rpartition("_")[2]
    if not number.isdecimal():
        raise ClusterError(f"can't find the trial's index: run {trial.run_id} has no property {TRIAL}")
    return left[int(number)] if int(number) < len(left) else None
