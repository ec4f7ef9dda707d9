"""Sweep jobs."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")

from azure.ai.ml.exceptions import JobException
from azure.ai.ml.sweep import BanditPolicy, Choice, Uniform
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import ask, wait_until
from tests.testing.azureml.v2 import command_of, connect, downloaded, ended, make_cluster, new_name, project_of

pytestmark = pytest.mark.filterwarnings("ignore")

#: Logs through the plain interface of MLflow, which needs no package.
SCORE = """\
import json, os, sys, time, urllib.request
rate = float(sys.argv[1])
place = os.environ["MLFLOW_TRACKING_URI"].replace("azureml://", "https://").replace("/v1.0/", "/v2.0/")
score = {"key": "accuracy", "value": 1 - abs(rate - 0.5), "timestamp": 0, "step": 0}
body = {"run_id": os.environ["MLFLOW_RUN_ID"], **score}
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}
call = place + "/api/2.0/mlflow/runs/log-metric"
urllib.request.urlopen(urllib.request.Request(call, json.dumps(body).encode(), headers)).read()
"""


def sweep_of(folder: Path, code: str, rates: list[float], *, at_once: int = 2, **options: Any) -> Any:
    base = command_of(project_of(folder, code), line="python train.py ${{inputs.rate}}", inputs={"rate": 0.1})
    sweep = base(rate=options.pop("space", Choice(rates))).sweep(
        primary_metric="accuracy",
        goal=options.pop("goal", "Maximize"),
        sampling_algorithm=options.pop("sampling", "grid"),
        compute="cpu-cluster",
        early_termination_policy=options.pop("early", None),
    )
    sweep.set_limits(max_total_trials=20, max_concurrent_trials=at_once, timeout=600)
    sweep.name = options.pop("name", None) or new_name("sweep")
    sweep.experiment_name = "tests"
    return sweep


def trials_of(client: Any, name: str) -> dict[str, str]:
    """Return the status of each trial, by its name without the sweep's."""
    children = client.jobs.list(parent_job_name=name)
    return {child.name.removeprefix(f"{name}_"): child.status for child in children}


def test_a_sweep_tries_every_rate_and_names_the_best(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    name = client.jobs.create_or_update(sweep_of(tmp_path / "src", SCORE, [0.1, 0.5, 1.0])).name
    assert ended(client, name) == "Completed"
    assert trials_of(client, name) == dict.fromkeys(["0", "1", "2"], "Completed")
    assert client.jobs.get(name).properties["best_child_run_id"] == f"{name}_1"
    assert client.jobs.get(f"{name}_2").command == "python train.py 1.0"


def test_the_best_of_a_loss_is_the_smallest(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path / "src", SCORE, [0.5, 0.1], goal="Minimize")
    name = client.jobs.create_or_update(sweep).name
    assert ended(client, name) == "Completed"
    assert client.jobs.get(name).properties["best_child_run_id"] == f"{name}_1"


def test_a_sweep_downloads_what_its_best_trial_has_left(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    code = SCORE + "os.makedirs('outputs', exist_ok=True); open('outputs/rate.txt', 'w').write(str(rate))\n"
    name = client.jobs.create_or_update(sweep_of(tmp_path / "src", code, [0.1, 0.5])).name
    ended(client, name)
    assert "artifacts/outputs/rate.txt" in downloaded(client, name, tmp_path / "down")
    assert (tmp_path / "down/artifacts/outputs/rate.txt").read_text() == "0.5"


def test_no_more_trials_run_at_once_than_may(service: AzureMLEmulator, client: Any, tmp_path: Path) -> None:
    make_cluster(client, "cpu-cluster", nodes=3)
    waits = "import time; time.sleep(600)"
    name = client.jobs.create_or_update(sweep_of(tmp_path / "src", waits, [1, 2, 3], at_once=2)).name
    wait_until(lambda: trials_of(client, name) == {"0": "Running", "1": "Running"})
    client.jobs.begin_cancel(f"{name}_0").result()
    wait_until(lambda: trials_of(client, name) == {"0": "Canceled", "1": "Running", "2": "Running"})
    client.jobs.begin_cancel(name).result()
    assert ended(client, name) == "Canceled"
    make_cluster(client, "cpu-cluster", nodes=2)


def test_a_cancelled_sweep_ends_after_its_trials(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path / "src", "import time; time.sleep(600)", [1, 2, 3], at_once=2)
    name = client.jobs.create_or_update(sweep).name
    wait_until(lambda: trials_of(client, name) == {"0": "Running", "1": "Running"})
    client.jobs.begin_cancel(name).result()
    assert ended(client, name) == "Canceled"
    assert trials_of(client, name) == {"0": "Canceled", "1": "Canceled"}


def test_a_sweep_with_a_failed_trial_completes(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    code = SCORE + "assert rate != 0.5, 'not this one'\n"
    name = client.jobs.create_or_update(sweep_of(tmp_path / "src", code, [0.1, 0.5])).name
    assert ended(client, name) == "Completed"
    assert trials_of(client, name) == {"0": "Completed", "1": "Failed"}
    assert client.jobs.get(name).properties["best_child_run_id"] == f"{name}_0"


def test_a_sweep_of_failed_trials_fails(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    name = client.jobs.create_or_update(sweep_of(tmp_path / "src", "raise ValueError('never')", [1, 2])).name
    with pytest.raises(JobException, match="None of the 2 trials has completed"):
        client.jobs.stream(name)


def test_a_sweep_is_listed_and_its_trials_are_not(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    name = client.jobs.create_or_update(sweep_of(tmp_path / "src", SCORE, [0.5])).name
    ended(client, name)
    listed = [job.name for job in client.jobs.list()]
    assert (name in listed, f"{name}_0" in listed) == (True, False)


def test_the_same_sweep_again_is_the_same_sweep(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    name = new_name("sweep")
    for _ in range(2):
        client.jobs.create_or_update(sweep_of(tmp_path / "src", SCORE, [0.1, 0.5], name=name))
    assert ended(client, name) == "Completed"
    assert len(trials_of(client, name)) == 2
    with pytest.raises(ResourceExistsError, match="not searchSpace"):
        client.jobs.create_or_update(sweep_of(tmp_path / "src", SCORE, [0.1], name=name))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sampling": "random"}, "does not support sampling by Random"),
        ({"space": Uniform(0, 1)}, "A grid has only choices, and rate is uniform"),
        ({"early": BanditPolicy(slack_factor=0.1)}, "does not support early termination"),
    ],
)
def test_a_sweep_that_is_more_than_a_grid_is_refused(
    client: Any, cluster_v2: Any, tmp_path: Path, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(HttpResponseError, match=error):
        client.jobs.create_or_update(sweep_of(tmp_path / "src", SCORE, [0.1], **options))


def test_a_sweep_goes_on_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    code = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.02)\n"
    with AzureMLEmulator(folder) as first:
        client = connect(first)
        make_cluster(client, "cpu-cluster", nodes=1)
        name = client.jobs.create_or_update(sweep_of(tmp_path / "src", code, [0.1, 0.5], at_once=1)).name
        wait_until(lambda: trials_of(client, name) == {"0": "Running"})
    with AzureMLEmulator(folder) as second:
        client = connect(second)
        (tmp_path / "go").touch()
        assert ended(client, name) == "Completed"
        assert trials_of(client, name) == {"0": "Completed", "1": "Completed"}
        assert ask(second, "history/v1.0", f"/runs/{name}").json()["statuses"][-1] == "Completed"
