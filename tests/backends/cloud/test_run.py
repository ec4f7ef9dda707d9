"""Status of a sweep, for every combination of its own status, its report and its trials."""

import json
from collections.abc import Sequence

import pytest

from mnistlib.backends.cloud.cluster_client import RemoteRun
from mnistlib.backends.cloud.properties import CHILDREN, ENDED
from mnistlib.backends.cloud.run import with_status_of_trials
from mnistlib.runs import RunStatus

QUEUED, RUNNING = RunStatus.QUEUED, RunStatus.RUNNING
COMPLETED, FAILED, CANCELLED = RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED


def remote(status: RunStatus, **properties: str) -> RemoteRun:
    return RemoteRun(run_id="r", experiment="e", status=status, created="", properties=properties)


def sweep(status: RunStatus, **report: str | None) -> RemoteRun:
    properties = {CHILDREN: json.dumps(["a", "b"])} | ({ENDED: json.dumps(report)} if report else {})
    return remote(status, **properties)


@pytest.mark.parametrize(
    ("found", "runs", "status"),
    [
        (sweep(RUNNING), [COMPLETED, RUNNING], RUNNING),
        (sweep(RUNNING), [COMPLETED], RUNNING),  # the other trial does not exist yet
        (sweep(COMPLETED, error=None), [COMPLETED, RUNNING], RUNNING),  # the last trial closes the sweep before it ends
        (sweep(COMPLETED), [COMPLETED, RUNNING], RUNNING),
        (sweep(RUNNING, error=None), [COMPLETED, COMPLETED], COMPLETED),
        (sweep(COMPLETED, error=None), [COMPLETED, FAILED], COMPLETED),
        (sweep(COMPLETED, error="no child has it"), [COMPLETED, COMPLETED], FAILED),
        (sweep(FAILED), [FAILED, FAILED], FAILED),
        (sweep(CANCELLED), [CANCELLED, RUNNING], RUNNING),
        (sweep(CANCELLED), [CANCELLED, CANCELLED], CANCELLED),
        (sweep(RUNNING), [COMPLETED, CANCELLED], CANCELLED),  # the user has cancelled the last trial
        (sweep(RUNNING), [COMPLETED, FAILED], FAILED),
        (sweep(COMPLETED), [COMPLETED, COMPLETED], FAILED),
    ],
)
def test_the_status_of_a_sweep_follows_from_its_trials(
    found: RemoteRun, runs: Sequence[RunStatus], status: RunStatus
) -> None:
    assert with_status_of_trials(found, [remote(run) for run in runs]).status is status


def test_the_error_of_a_sweep_without_a_closing_run_names_resume() -> None:
    lost = with_status_of_trials(sweep(RUNNING), [remote(COMPLETED), remote(FAILED)])
    assert lost.error is not None
    assert "--resume" in lost.error
