"""What a sweep is said to be, of all that a service may say of it and of its runs."""

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


def sweep(status: RunStatus, **told: str | None) -> RemoteRun:
    properties = {CHILDREN: json.dumps(["a", "b"])} | ({ENDED: json.dumps(told)} if told else {})
    return remote(status, **properties)


@pytest.mark.parametrize(
    ("said", "runs", "status"),
    [
        (sweep(RUNNING), [COMPLETED, RUNNING], RUNNING),
        (sweep(RUNNING), [COMPLETED], RUNNING),  # the other one is not there yet
        (sweep(COMPLETED, error=None), [COMPLETED, RUNNING], RUNNING),  # it closes the sweep before it ends
        (sweep(COMPLETED), [COMPLETED, RUNNING], RUNNING),
        (sweep(RUNNING, error=None), [COMPLETED, COMPLETED], COMPLETED),
        (sweep(COMPLETED, error=None), [COMPLETED, FAILED], COMPLETED),
        (sweep(COMPLETED, error="no child has it"), [COMPLETED, COMPLETED], FAILED),
        (sweep(FAILED), [FAILED, FAILED], FAILED),
        (sweep(CANCELLED), [CANCELLED, RUNNING], RUNNING),
        (sweep(CANCELLED), [CANCELLED, CANCELLED], CANCELLED),
        (sweep(RUNNING), [COMPLETED, CANCELLED], CANCELLED),  # a person has cancelled the last of them
        (sweep(RUNNING), [COMPLETED, FAILED], FAILED),
        (sweep(COMPLETED), [COMPLETED, COMPLETED], FAILED),
    ],
)
def test_a_sweep_is_what_its_runs_say(said: RemoteRun, runs: Sequence[RunStatus], status: RunStatus) -> None:
    assert with_status_of_trials(said, [remote(run) for run in runs]).status is status


def test_a_sweep_that_nobody_closed_says_how_to_go_on() -> None:
    lost = with_status_of_trials(sweep(RUNNING), [remote(COMPLETED), remote(FAILED)])
    assert lost.error is not None
    assert "--resume" in lost.error
