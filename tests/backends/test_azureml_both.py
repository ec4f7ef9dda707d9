"""What both backends for Azure Machine Learning owe beside the contract: few requests, one submission, clear errors."""

import itertools
import json
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mnistlib
from mnistlib import (
    AmlComputeSpec,
    BackendError,
    ComputeError,
    JobError,
    JobFailedError,
    MnistlibError,
    RunStatus,
    ScriptJob,
    ServiceError,
    SweepJob,
    TrainJob,
)
from mnistlib.backends import get_backend
from mnistlib.backends.azureml import AzureMLRun
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.specification import specification_here
from tests.azureml import require_sdk, workspace

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 120
TRAIN = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)
QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.1)

# What an SDK and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class Generation:
    """One of the backends.

    Attributes
    ----------
    name : str
        What ``get_backend`` calls it.
    starts : str
        Path of the request that starts a run.
    sends_code, sends_data, registers : str
        Paths of the requests that send code and data, and of those that register environments.
    data_ways : str
        The ways of data that it names.
    logs_with : sequence of str
        What a node needs beside this package's own requirements.
    """

    name: str
    starts: str
    sends_code: str
    sends_data: str
    registers: str
    data_ways: str
    logs_with: tuple[str, ...]


V1 = Generation(
    "azureml",
    starts="POST .*/snapshotrun",
    sends_code="POST .*/content/.*/snapshots/",
    sends_data="PUT .*/mnistlib/data/",
    registers="PUT .*/environments/",
    data_ways="upload, fetch, dataset",
    logs_with=("azureml-core", "setuptools"),
)
V2 = Generation(
    "azureml-v2",
    starts="PUT .*/jobs/",
    sends_code="(POST .*/startPendingUpload|PUT .*/code-)",
    sends_data="PUT .*blob.*/LocalUpload/[^/]+/[^/]+/t",
    registers="PUT .*/environments/",
    data_ways="upload, fetch",
    logs_with=("mlflow-skinny", "azureml-mlflow"),
)


@pytest.fixture(params=[V1, V2], ids=lambda generation: generation.name)
def generation(request: pytest.FixtureRequest) -> Generation:
    made: Generation = request.param
    require_sdk(made.name)
    return made


@pytest.fixture
def service(
    generation: Generation, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["AzureMLEmulator"]:
    with workspace(tmp_path, tmp_path_factory.getbasetemp(), backend=generation.name) as service:
        yield service
        assert service.refused == []  # nobody tried to leave this machine


@pytest.fixture
def make(generation: Generation, service: "AzureMLEmulator", tmp_path: Path) -> Callable[..., Any]:
    """Makes a backend that knows nothing yet but where its workspace is described."""

    def make(**options: Any) -> Any:
        given = {"config": service.config_path, "runs_folder": tmp_path / "runs", "retries": QUICK} | options
        return get_backend(generation.name, **given)

    return make


@pytest.fixture
def backend(make: Callable[..., Any]) -> Any:
    return make()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder for scripts."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def made(service: "AzureMLEmulator", match: str) -> int:
    """How many such requests have arrived so far."""
    return sum(bool(re.search(match, f"{request.method} {request.host}{request.path}")) for request in service.requests)


def test_an_unchanged_second_submission_sends_neither_code_nor_data_again(
    generation: Generation, service: "AzureMLEmulator", make: Callable[..., Any], tmp_path: Path
) -> None:
    job = TrainJob(dataset=str(two_kinds_of_images(tmp_path / "data")))
    assert make().submit(job).result(LIMIT).metrics["accuracy"] == 1.0
    sent = {what: made(service, what) for what in (generation.sends_code, generation.sends_data, generation.registers)}
    assert sent[generation.sends_data] >= 4
    assert all(sent.values())
    again = make().submit(job)
    assert {what: made(service, what) for what in sent} == sent
    assert again.result(LIMIT).metrics["accuracy"] == 1.0


def test_data_that_each_node_fetches_is_not_sent(
    generation: Generation, service: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    backend, job = make(data="fetch"), TrainJob(dataset="mnist")
    assert backend.plan(job).data == {}
    backend.submit(job).cancel()
    assert made(service, generation.sends_code) > 0
    assert made(service, generation.sends_data) == 0


def test_a_way_of_data_that_there_is_not_is_refused(generation: Generation) -> None:
    with pytest.raises(BackendError, match=f"data must be one of {generation.data_ways}, not 'carrier pigeon'"):
        get_backend(generation.name, data="carrier pigeon")


def test_the_way_of_data_is_also_taken_from_the_environment(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNISTLIB_CLOUD_DATA", "pigeon")
    with pytest.raises(BackendError, match="not 'pigeon'"):
        get_backend(generation.name)


def test_a_plan_needs_no_workspace(generation: Generation, tmp_path: Path) -> None:
    backend = get_backend(generation.name, config=tmp_path / "nowhere.json", compute=AmlComputeSpec(name="mine"))
    plan = backend.plan(TRAIN)
    text = str(plan)
    assert "mine, 0 to 4 nodes of STANDARD_D2_V2" in text
    assert "scikit-learn==" in text
    assert "MB, of source" in text
    assert sum(plan.shipped.values()) < 1e6


def test_without_a_workspace_the_error_says_where_to_get_one(generation: Generation, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"no workspace: .*Download config\.json"):
        get_backend(generation.name, config=tmp_path / "nowhere.json").submit(TRAIN)


def test_a_job_that_is_sent_in_a_bad_hour_runs_once(
    generation: Generation, service: "AzureMLEmulator", backend: Any
) -> None:
    faults = [
        service.faults.add("throttle", match="GET .*/computes/"),
        service.faults.add("error", match="GET .*/environments/", status=503),
        service.faults.add("lost_answer", match=generation.starts),
        service.faults.add("expired_token", match="GET .*/runs/"),
    ]
    run = backend.submit(TRAIN)
    assert run.result(LIMIT).metrics["accuracy"] > 0.9
    assert [fault.count for fault in faults] == [1] * len(faults)
    assert made(service, generation.starts) == 1
    assert [known.id for known in backend.runs()] == [run.id]


def test_a_cluster_without_quota_is_refused_before_anything_is_sent(
    service: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    service.faults.add("quota", match="other")
    backend = make(compute=AmlComputeSpec(name="other"))
    with pytest.raises(ComputeError, match=r"there is no quota for cluster other .*AML_COMPUTE_CLUSTER_MAX_NODES"):
        backend.submit(TRAIN)
    assert backend.runs() == []


def test_a_cluster_that_could_not_be_made_says_why_until_it_is_deleted(
    service: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    service.faults.add("quota", match="other")
    compute = AmlComputeSpec(name="other")
    for _ in range(2):
        with pytest.raises(ComputeError, match=r"there is no quota for cluster other .*(exceeding quota|QuotaReached)"):
            make(compute=compute).compute.ensure()
    cluster = make(compute=compute).compute
    cluster.delete()
    cluster.ensure()
    assert cluster.status()["state"] == "Succeeded"


def test_a_vm_size_that_is_not_there_is_refused_with_some_that_are(make: Callable[..., Any]) -> None:
    backend = make(compute=AmlComputeSpec(name="other", vm_size="STANDARD_NONE"))
    with pytest.raises(ComputeError, match=r"no VM size 'STANDARD_NONE' in .*; there are STANDARD_"):
        backend.submit(TRAIN)


def test_a_cluster_tells_its_nodes_and_is_deleted(backend: Any) -> None:
    backend.submit(TRAIN).wait(LIMIT)
    status = backend.compute.status()
    assert (status["state"], status["most"], status["nodes"]) == ("Succeeded", 4, 1)
    assert status["vm_size"] == "STANDARD_D2_V2"
    assert status["running"] + status["idle"] + status["preparing"] == 1
    backend.compute.delete()
    assert backend.compute.status() is None


def test_an_image_that_can_not_be_built_fails_the_run_with_the_services_reason(
    service: "AzureMLEmulator", backend: Any
) -> None:
    service.faults.add("image_build")
    with pytest.raises(JobFailedError, match="could not be built"):
        backend.run(TRAIN)


def test_a_full_disk_of_a_node_fails_the_run_with_the_reason(service: "AzureMLEmulator", backend: Any) -> None:
    service.faults.add("node_disk_full")
    with pytest.raises(JobFailedError, match=r"(?i)no space left"):
        backend.run(TRAIN)


def test_a_job_whose_node_is_taken_away_completes_on_another(service: "AzureMLEmulator", backend: Any) -> None:
    fault = service.faults.add("preempted", seconds=0.2)
    run = backend.submit(TRAIN)
    assert run.result(LIMIT).metrics["accuracy"] > 0.9
    assert fault.count == 1
    assert [known.id for known in backend.runs()] == [run.id]


@pytest.mark.slow  # an SDK's client of blobs tries for a minute and a half
def test_a_store_without_room_is_said_and_nothing_runs(service: "AzureMLEmulator", backend: Any, source: Path) -> None:
    (source / "train.py").write_text("print('done')\n")
    service.faults.add("disk_full", match="PUT .*blob.*/(snapshots|code-)", times=1000)
    with pytest.raises(ServiceError, match="submitting run"):
        backend.submit(ScriptJob(script="train.py", source_directory=str(source)))
    service.faults.clear()
    assert backend.runs() == []


def test_secrets_are_in_no_record_log_plan_or_error(
    service: "AzureMLEmulator", backend: Any, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "mnistlib")
    (source / "train.py").write_text("import os\nassert os.environ['TOKEN'] == 'geheim-1'\nraise SystemExit(3)\n")
    job = ScriptJob(script="train.py", source_directory=str(source), environment={"TOKEN": "geheim-1"})
    names = json.loads((service.folder / "names.json").read_text())
    run = backend.submit(job)
    with pytest.raises(JobFailedError, match="exit status 3") as caught:
        run.result(LIMIT)
    run.download(tmp_path / "all")
    told = [str(backend.plan(job)), run.logs(), str(run.record), *traceback.format_exception(caught.value)]
    told += [record.getMessage() for record in caplog.records if record.name == "mnistlib"]
    told += [path.read_text(errors="replace") for path in (tmp_path / "all").rglob("*") if path.is_file()]
    for text in told:
        for secret in ("geheim-1", names["client_secret"], names["account_key"], "Bearer ey", "sig="):
            assert secret not in text


def test_a_registered_model_tells_metrics_and_digest(backend: Any) -> None:
    run = backend.submit(TRAIN)
    run.wait(LIMIT)
    version = run.register_model("sklearn_mnist", description="the first", tags={"by": "me"})
    properties = properties_of_model(backend, "sklearn_mnist")
    assert properties["mnistlib.sha256"] == version.sha256
    assert float(properties["metric.accuracy"]) == run.metrics().latest["accuracy"]
    found = backend.models.get("sklearn_mnist")
    assert (found.id, found.run_id, found.description, found.tags) == (
        "sklearn_mnist:1", run.id, "the first", {"by": "me"},
    )  # fmt: skip
    assert found.metrics == version.metrics


def test_a_sweep_ends_without_whoever_has_submitted_it(
    generation: Generation, backend: Any, service: "AzureMLEmulator"
) -> None:
    code = (
        f"import mnistlib; backend = mnistlib.get_backend({generation.name!r}, config={str(service.config_path)!r})\n"
        "base = mnistlib.TrainJob(dataset='digits', tol=0.01)\n"
        "print(backend.submit(mnistlib.SweepJob(base=base, regularization=[0.1, 1.0]), register_as='best').id)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    run = backend.attach(done.stdout.split()[-1])
    result = run.result(LIMIT)
    assert run.best is not None
    assert backend.models.get("best").sha256 == run.best.register_model("child").sha256
    assert result.metrics["accuracy"] > 0.9


def test_a_sweep_has_no_more_runs_at_a_time_than_the_cluster_has_nodes(make: Callable[..., Any]) -> None:
    backend = make(compute=AmlComputeSpec(name="single", max_nodes=1))
    run = backend.submit(SweepJob(base=TRAIN, regularization=[0.1, 1.0, 10.0]))
    assert run.wait(LIMIT) is RunStatus.COMPLETED
    spans = sorted((child.record.started, child.record.ended) for child in run.children())
    assert len(spans) == 3
    assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(spans))


def test_one_flag_runs_the_same_command_on_the_cluster(
    generation: Generation, service: "AzureMLEmulator", tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "mnistlib", "train", "--dataset", "digits", "--json", "-q"]
    accuracies = []
    for flag in ([], ["--backend", generation.name]):
        # The workspace's config.json is looked for where the command stands.
        done = subprocess.run(
            [*command, *flag, "--runs", str(tmp_path / "runs")],
            cwd=service.config_path.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        accuracies.append(json.loads(done.stdout)["metrics"]["accuracy"])
        assert "config.json" not in done.stderr  # an SDK has nothing to say here
    assert accuracies[0] == accuracies[1]


def test_every_error_is_one_of_ours(service: "AzureMLEmulator", backend: Any) -> None:
    service.faults.add("error", match="computes", times=1000, status=403)
    with pytest.raises(MnistlibError, match="rights in the workspace"):
        backend.submit(SweepJob(base=TRAIN, regularization=[1.0]))


def test_a_script_runs_in_the_environment_of_a_conda_file(
    generation: Generation, make: Callable[..., Any], source: Path, tmp_path: Path
) -> None:
    here = specification_here(besides=(*generation.logs_with, "hypothesis"))
    (tmp_path / "conda.yml").write_text(here.conda)
    (source / "train.py").write_text("import hypothesis\n")
    job = ScriptJob(script="train.py", source_directory=str(source))
    assert make().submit(job).wait(LIMIT) is RunStatus.FAILED
    assert make(environment=tmp_path / "conda.yml").submit(job).wait(LIMIT) is RunStatus.COMPLETED


def test_a_curated_environment_is_used_as_it_is(
    generation: Generation, service: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    backend = make(environment="curated:AzureML-sklearn-1.5")
    backend.submit(TRAIN).cancel()
    assert made(service, generation.starts) == 1
    assert made(service, generation.registers) == 0


def test_a_curated_environment_that_is_not_there_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(JobError, match="the workspace has no environment 'nowhere'"):
        make(environment="curated:nowhere").submit(TRAIN)


def two_kinds_of_images(folder: Path) -> Path:
    """Write images of which either kind has another first pixel."""
    folder.mkdir()
    for which, count in (("train", 40), ("test", 10)):
        images = np.zeros((count, 4, 4), np.uint8)
        images[np.arange(count), 0, np.arange(count) % 2] = 255
        mnistlib.write_idx(folder / f"{which}-images", images)
        mnistlib.write_idx(folder / f"{which}-labels", (np.arange(count) % 2).astype(np.uint8))
    return folder


def properties_of_model(backend: Any, name: str) -> dict[str, str]:
    """Return the properties of a model's first version, as the SDK reads them."""
    if backend.run_class is AzureMLRun:
        from azureml.core import Model

        return dict(Model(backend.workspace, name).properties)
    return dict(backend.ml_client.models.get(name, version="1").properties)
