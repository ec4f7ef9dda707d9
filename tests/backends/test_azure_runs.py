"""Trials of a sweep in a workspace."""

import json
from collections.abc import Sequence

import pytest

from mnistlib import ClusterError, RunStatus, TrainJob
from mnistlib.backends.azure.runs import runs_of_sweep
from mnistlib.backends.cloud.cluster_client import RemoteRun

DONE = RemoteRun(run_id="done", experiment="e", status=RunStatus.COMPLETED, created="")


def trial(name: str, **properties: str) -> RemoteRun:
    own = {f"mnistlib.{key}": value for key, value in properties.items()}
    return RemoteRun(run_id=name, experiment="e", status=RunStatus.RUNNING, created="", properties=own)


def ids(children: Sequence[str | None], trials: Sequence[RemoteRun], **properties: str) -> list[str]:
    sweep = trial("sweep", children=json.dumps(children), **properties)
    return [run.run_id for run in runs_of_sweep(sweep, {"done": DONE}.get, lambda: trials)]


def test_a_trial_has_the_index_reported_by_its_node() -> None:
    trials = [trial("sweep_0", trial="2"), trial("sweep_1", trial="0")]
    assert ids([None, "done", None], trials) == ["sweep_1", "done", "sweep_0"]


def test_a_trial_without_a_report_is_indexed_by_its_number_among_the_remaining() -> None:
    assert ids(["done", None, None], [trial("sweep_1"), trial("sweep_0")]) == ["done", "sweep_0", "sweep_1"]


def test_a_trial_of_version_0_1_is_indexed_by_its_regularization() -> None:
    trials = [
        trial("sweep_0", job=TrainJob(regularization=10.0).to_json()),
        trial("sweep_1", job=TrainJob(regularization=0.1).to_json()),
    ]
    assert ids([None, "done", None], trials, rates="[0.1, 10.0]") == ["sweep_1", "done", "sweep_0"]


def test_a_surplus_trial_is_ignored() -> None:
    assert ids([None, "done"], [trial("sweep_0"), trial("sweep_1")]) == ["sweep_0", "done"]


def test_a_trial_without_an_index_raises_an_error() -> None:
    with pytest.raises(ClusterError, match=r"can't find the trial's index: run other has no property mnistlib\.trial"):
        ids([None], [trial("other")])
