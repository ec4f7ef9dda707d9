"""Command jobs of azure-ai-ml: from config.json to what the job has left."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")
pytest.importorskip("azure.identity")

from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import AmlCompute, Data, Environment
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from mnistlib.testing.azureml import AzureMLEmulator
from tests.azureml import strangers
from tests.testing.azureml.steps import ask, wait_until
from tests.testing.azureml.v2 import SubmitJob, command_of, downloaded, ended, log_of, new_name, project_of

pytestmark = pytest.mark.filterwarnings("ignore")


TRAIN = """\
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--rate", type=float)
parser.add_argument("--model")
options = parser.parse_args()
print("read", pathlib.Path(options.data, "digits.txt").read_text(), "rate", options.rate)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/metrics.json").write_text("{}")
pathlib.Path(options.model, "model.pkl").write_bytes(b"weights")
"""


def test_the_whole_way_as_users_write_it(service: AzureMLEmulator, tmp_path: Path, capsys: Any) -> None:
    client = MLClient.from_config(DefaultAzureCredential(), path=str(service.config_path))
    cluster = AmlCompute(name="tutorial-v2", size="STANDARD_D2_V2", min_instances=0, max_instances=4)
    assert client.compute.begin_create_or_update(cluster).result().provisioning_state == "Succeeded"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits.txt").write_text("0123456789")
    data = client.data.create_or_update(
        Data(name="digits", version="a1b2", path=str(tmp_path / "data"), type="uri_folder")
    )
    (tmp_path / "conda.yml").write_text("dependencies:\n- python=3.11\n- pip:\n  - numpy\n")
    environment = client.environments.create_or_update(
        Environment(name="tutorial-v2", version="7", image="ubuntu", conda_file=str(tmp_path / "conda.yml"))
    )
    name = new_name()
    job = command(
        name=name,
        command="python train.py --data ${{inputs.data}} --rate ${{inputs.rate}} --model ${{outputs.model}}",
        code=project_of(tmp_path / "src", TRAIN),
        inputs={"data": Input(type="uri_folder", path=data.id), "rate": 0.5},
        outputs={"model": Output(type="uri_folder")},
        environment=environment,
        compute="tutorial-v2",
        experiment_name="tutorial",
    )
    submitted = client.jobs.create_or_update(job)
    assert submitted.name == name
    client.jobs.stream(name)
    assert client.jobs.get(name).status == "Completed"
    assert downloaded(client, name, tmp_path / "all", all=True) == [
        "artifacts/azureml-logs/20_image_build_log.txt",
        "artifacts/outputs/metrics.json",
        "artifacts/user_logs/std_log.txt",
        "named-outputs/model/model.pkl",
    ]
    assert (tmp_path / "all/artifacts/user_logs/std_log.txt").read_text() == "read 0123456789 rate 0.5\n"
    client.compute.begin_delete("tutorial-v2").result()
    with pytest.raises(ResourceNotFoundError):
        client.compute.get("tutorial-v2")
    assert strangers(service) == []


def test_a_job_that_runs_is_streamed(client: Any, submit_job: SubmitJob, capsys: Any) -> None:
    job = submit_job("import time\nfor i in range(3): print('line', i); time.sleep(0.1)")
    client.jobs.stream(job.name)
    assert "line 0\nline 1\nline 2\n" in capsys.readouterr().out


def test_a_failed_job_says_its_last_error(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("print('before')\nraise ValueError('no such rate')")
    with pytest.raises(JobException, match="User program failed with ValueError: no such rate"):
        client.jobs.stream(job.name)
    assert ended(client, job.name) == "Failed"


def test_a_running_job_can_be_cancelled(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("import time; time.sleep(600)")
    wait_until(lambda: client.jobs.get(job.name).status == "Running")
    client.jobs.begin_cancel(job.name).result()
    assert ended(client, job.name) == "Canceled"


def test_a_job_that_has_ended_can_not_be_cancelled(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("pass")
    ended(client, job.name)
    with pytest.raises(HttpResponseError, match="can't be cancelled"):
        client.jobs.begin_cancel(job.name)


def test_the_same_job_again_is_the_same_job(
    service: AzureMLEmulator, client: Any, submit_job: SubmitJob, tmp_path: Path
) -> None:
    name = new_name()
    submit_job("print('once')", name=name)
    assert submit_job("print('once')", name=name).name == name
    assert ended(client, name) == "Completed"
    statuses = ask(service, "history/v1.0", f"/runs/{name}").json()["statuses"]
    assert statuses == ["NotStarted", "Queued", "Preparing", "Running", "Finalizing", "Completed"]


def test_another_job_under_the_same_name_is_refused(client: Any, submit_job: SubmitJob) -> None:
    name = new_name()
    submit_job("print('once')", name=name)
    with pytest.raises(ResourceExistsError, match="not command"):
        submit_job("print('once')", name=name, line="python train.py --other")


def test_a_submission_whose_answer_was_lost_is_not_repeated(
    service: AzureMLEmulator, client: Any, submit_job: SubmitJob
) -> None:
    fault = service.faults.add("lost_answer", match="PUT .*/jobs/")
    job = submit_job("print('once')")
    assert fault.count == 1
    assert ended(client, job.name) == "Completed"


@pytest.mark.parametrize("call", ["PUT .*/jobs/", "GET .*/versions$", "PUT .*/codes/"])
def test_throttling_is_waited_for(service: AzureMLEmulator, client: Any, submit_job: SubmitJob, call: str) -> None:
    fault = service.faults.add("throttle", match=call)
    job = submit_job(f"print({call!r})")
    assert fault.count == 1
    assert ended(client, job.name) == "Completed"


def test_what_a_job_gets_and_what_it_leaves(client: Any, submit_job: SubmitJob, tmp_path: Path) -> None:
    job = submit_job(
        """
        import os, sys
        print(sys.argv[1:], os.environ["RATE"], sorted(os.listdir(".")))
        print(sorted(name for name in os.environ if name.startswith(("AZURE_CLIENT", "AZUREML_SERVICE_PRINCIPAL"))))
        """,
        line="python train.py ${{ inputs.count }} '${{inputs.text}}'",
        inputs={"count": 3, "text": "two words"},
        environment_variables={"RATE": "0.25"},
    )
    assert ended(client, job.name) == "Completed"
    log = log_of(client, job.name, tmp_path / "log")
    assert log == "['3', 'two words'] 0.25 ['logs', 'outputs', 'train.py']\n[]\n"


def test_a_job_needs_no_code(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    job = client.jobs.create_or_update(command_of(None, line="echo plain"))
    assert ended(client, job.name) == "Completed"
    assert log_of(client, job.name, tmp_path / "log") == "plain\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"compute": "no-such-cluster"}, "The compute target no-such-cluster was not found"),
        ({"environment": "nothing:1"}, "The environment nothing, version 1, was not found"),
        ({"instance_count": 2}, "does not support jobs of several nodes"),
    ],
)
def test_a_job_that_can_not_run_is_refused(
    client: Any, submit_job: SubmitJob, options: dict[str, Any], error: str
) -> None:
    name = new_name()
    with pytest.raises(HttpResponseError, match=error):
        submit_job("pass", name=name, **options)
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get(name)


def test_a_job_is_ended_at_its_own_limit(client: Any, cluster_v2: Any, tmp_path: Path) -> None:
    job = command_of(project_of(tmp_path / "project", "import time; time.sleep(600)"))
    job.set_limits(timeout=1)
    client.jobs.create_or_update(job)
    assert ended(client, job.name) == "Failed"


def test_what_is_said_of_a_job_can_be_changed(client: Any, submit_job: SubmitJob) -> None:
    job = submit_job("pass", tags={"stage": "trial"}, display_name="first")
    assert (job.tags, job.display_name) == ({"stage": "trial"}, "first")
    assert client.jobs.update(job.name, tags={"kind": "small"}).tags == {"stage": "trial", "kind": "small"}


def test_an_archived_job_is_not_listed(client: Any, submit_job: SubmitJob) -> None:
    name = submit_job("pass").name
    assert name in [job.name for job in client.jobs.list()]
    client.jobs.archive(name)
    assert name not in [job.name for job in client.jobs.list()]
    client.jobs.restore(name)
    assert name in [job.name for job in client.jobs.list()]


def test_a_preempted_job_starts_again(service: AzureMLEmulator, client: Any, submit_job: SubmitJob) -> None:
    fault = service.faults.add("preempted")
    job = submit_job("import time; time.sleep(1)")
    assert ended(client, job.name) == "Completed"
    assert fault.count == 1
