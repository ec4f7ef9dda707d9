"""What AzureMLBackend owes beside the contract: few requests, one submission whatever happens, clear errors."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mnistlib
from mnistlib import (
    AmlComputeSpec,
    AzureMLBackend,
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
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.specification import specification_here
from tests.azureml import workspace

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 120
TRAIN = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)
QUICK = RetryPolicy(first_pause=0.01, longest_pause=0.1)

# What azureml-core and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def service(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["AzureMLEmulator"]:
    with workspace(tmp_path, tmp_path_factory.getbasetemp()) as service:
        yield service
        assert service.refused == []  # nobody tried to leave this machine


@pytest.fixture
def backend(service: "AzureMLEmulator", tmp_path: Path) -> AzureMLBackend:
    return AzureMLBackend(config=service.config_path, runs_folder=tmp_path / "runs", retries=QUICK)


def made(service: "AzureMLEmulator", method: str, part: str) -> int:
    """How many requests have arrived so far."""
    return sum(request.method == method and part in request.path for request in service.requests)


def test_an_unchanged_second_submission_sends_neither_code_nor_data_again(
    service: "AzureMLEmulator", backend: AzureMLBackend, tmp_path: Path
) -> None:
    import numpy as np

    data = tmp_path / "data"
    data.mkdir()
    for which, count in (("train", 40), ("test", 10)):
        images = np.zeros((count, 4, 4), np.uint8)
        images[np.arange(count), 0, np.arange(count) % 2] = 255
        mnistlib.write_idx(data / f"{which}-images", images)
        mnistlib.write_idx(data / f"{which}-labels", (np.arange(count) % 2).astype(np.uint8))
    job = TrainJob(dataset=str(data))
    first = backend.submit(job)
    assert first.result(LIMIT).metrics["accuracy"] == 1.0
    assert made(service, "PUT", "/mnistlib/data/") == 4
    environments = made(service, "PUT", "/environments/")
    snapshots = made(service, "POST", "/snapshots/")
    again = backend.submit(job)
    assert made(service, "PUT", "/mnistlib/data/") == 4
    assert (made(service, "PUT", "/environments/"), made(service, "POST", "/snapshots/")) == (environments, snapshots)
    assert again.result(LIMIT).metrics["accuracy"] == 1.0


def test_a_way_of_data_that_there_is_not_is_refused() -> None:
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    with pytest.raises(BackendError, match="data must be one of upload, fetch, dataset, not 'carrier pigeon'"):
        AzureMLBackend(data="carrier pigeon")


def test_the_way_of_data_is_also_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    monkeypatch.setenv("MNISTLIB_CLOUD_DATA", "pigeon")
    with pytest.raises(BackendError, match="not 'pigeon'"):
        AzureMLBackend()


def test_a_plan_needs_no_workspace(tmp_path: Path) -> None:
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    plan = AzureMLBackend(config=tmp_path / "nowhere.json", compute=AmlComputeSpec(name="mine")).plan(TRAIN)
    text = str(plan)
    assert "mine, 0 to 4 nodes of STANDARD_D2_V2" in text
    assert "scikit-learn==" in text
    assert "MB, of source" in text
    assert sum(plan.shipped.values()) < 1e6


def test_without_a_workspace_the_error_says_where_to_get_one(tmp_path: Path) -> None:
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    with pytest.raises(ServiceError, match=r"no workspace: .*Download config\.json"):
        AzureMLBackend(config=tmp_path / "nowhere.json").submit(TRAIN)


def test_a_job_that_is_sent_in_a_bad_hour_runs_once(service: "AzureMLEmulator", backend: AzureMLBackend) -> None:
    faults = [
        service.faults.add("throttle", match="GET .*/computes/"),
        service.faults.add("reset_answer", match="POST .*/content/.*/snapshots/"),
        service.faults.add("lost_answer", match="POST .*/snapshotrun"),
        service.faults.add("error", match="PATCH .*/runs/", status=503),
        service.faults.add("expired_token", match="GET .*/runs/"),
    ]
    run = backend.submit(TRAIN)
    assert run.result(LIMIT).metrics["accuracy"] > 0.9
    assert [fault.count for fault in faults] == [1] * len(faults)
    assert [known.id for known in backend.runs()] == [run.id]


def test_what_can_not_be_recovered_names_the_run_and_what_shows_it(
    service: "AzureMLEmulator", backend: AzureMLBackend
) -> None:
    service.faults.add("error", match="POST .*/snapshotrun", times=100, status=503)
    with pytest.raises(ServiceError, match=r"submitting run default_\S+ .*mnistlib runs show default_\S+"):
        backend.submit(TRAIN)


def test_a_cluster_without_quota_is_refused_before_anything_is_sent(service: "AzureMLEmulator", tmp_path: Path) -> None:
    backend = AzureMLBackend(
        config=service.config_path, compute=AmlComputeSpec(name="other"), runs_folder=tmp_path, retries=QUICK
    )
    service.faults.add("quota", match="other")
    with pytest.raises(ComputeError, match=r"there is no quota for cluster other .*AML_COMPUTE_CLUSTER_MAX_NODES"):
        backend.submit(TRAIN)
    assert backend.runs() == []


def test_a_vm_size_that_is_not_there_is_refused_with_some_that_are(service: "AzureMLEmulator", tmp_path: Path) -> None:
    compute = AmlComputeSpec(name="other", vm_size="STANDARD_NONE")
    backend = AzureMLBackend(config=service.config_path, compute=compute, runs_folder=tmp_path, retries=QUICK)
    with pytest.raises(ComputeError, match=r"no VM size 'STANDARD_NONE' in \w+; there are STANDARD_"):
        backend.submit(TRAIN)


def test_a_cluster_tells_its_nodes_and_is_deleted(backend: AzureMLBackend) -> None:
    backend.submit(TRAIN).wait(LIMIT)
    status = backend.compute.status()
    assert status is not None
    assert (status["state"], status["most"]) == ("Succeeded", 4)
    backend.compute.delete()
    assert backend.compute.status() is None


def test_an_image_that_can_not_be_built_fails_the_run_with_the_services_reason(
    service: "AzureMLEmulator", backend: AzureMLBackend
) -> None:
    service.faults.add("image_build")
    with pytest.raises(JobFailedError, match="could not be built"):
        backend.run(TRAIN)


def test_a_full_disk_of_a_node_fails_the_run_with_the_reason(
    service: "AzureMLEmulator", backend: AzureMLBackend
) -> None:
    service.faults.add("node_disk_full")
    with pytest.raises(JobFailedError, match=r"(?i)no space left"):
        backend.run(TRAIN)


def test_a_job_whose_node_is_taken_away_completes_on_another(
    service: "AzureMLEmulator", backend: AzureMLBackend
) -> None:
    fault = service.faults.add("preempted", seconds=0.2)
    run = backend.submit(TRAIN)
    assert run.result(LIMIT).metrics["accuracy"] > 0.9
    assert fault.count == 1
    assert [known.id for known in backend.runs()] == [run.id]


@pytest.mark.slow  # the SDK's client of blobs tries for a minute and a half
def test_a_store_without_room_is_said_and_nothing_runs(
    service: "AzureMLEmulator", backend: AzureMLBackend, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text("print('done')\n")
    service.faults.add("disk_full", match="PUT .*blob.*/snapshots/", times=1000)
    with pytest.raises(ServiceError, match="submitting run"):
        backend.submit(ScriptJob(script="train.py", source_directory=str(source)))
    service.faults.clear()
    assert backend.runs() == []


def test_secrets_are_in_no_record_log_plan_or_error(
    service: "AzureMLEmulator", backend: AzureMLBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text("import os\nassert os.environ['TOKEN'] == 'geheim-1'\nraise SystemExit(3)\n")
    job = ScriptJob(script="train.py", source_directory=str(source), environment={"TOKEN": "geheim-1"})
    names = json.loads((service.folder / "names.json").read_text())
    run = backend.submit(job)
    with pytest.raises(JobFailedError, match="exit status 3") as caught:
        run.result(LIMIT)
    run.download(tmp_path / "all")
    told = [str(backend.plan(job)), str(caught.value), run.logs(), str(run.record)]
    told += [path.read_text(errors="replace") for path in (tmp_path / "all").rglob("*") if path.is_file()]
    for text in told:
        for secret in ("geheim-1", names["client_secret"], names["account_key"], "Bearer ey", "sig="):
            assert secret not in text


def test_the_sdks_own_run_is_at_hand(backend: AzureMLBackend) -> None:
    from azureml.core import Run

    run = backend.submit(TRAIN)
    run.wait(LIMIT)
    sdk_run = run.sdk_run  # type: ignore[attr-defined] # of this backend's runs
    assert isinstance(sdk_run, Run)
    assert sdk_run.get_metrics()["accuracy"] == run.metrics().latest["accuracy"]


def test_a_registered_model_tells_framework_metrics_and_digest(backend: AzureMLBackend) -> None:
    from azureml.core import Model

    run = backend.submit(TRAIN)
    run.wait(LIMIT)
    version = run.register_model("sklearn_mnist", tags={"by": "me"})
    model = Model(backend.workspace, "sklearn_mnist")
    assert (model.model_framework, model.tags["by"]) == (Model.Framework.SCIKITLEARN, "me")
    assert model.properties["mnistlib.sha256"] == version.sha256
    assert float(model.properties["metric.accuracy"]) == run.metrics().latest["accuracy"]


def test_a_sweep_ends_without_whoever_has_submitted_it(backend: AzureMLBackend, service: "AzureMLEmulator") -> None:
    code = (
        f"import mnistlib; backend = mnistlib.AzureMLBackend(config={str(service.config_path)!r})\n"
        "base = mnistlib.TrainJob(dataset='digits', tol=0.01)\n"
        "print(backend.submit(mnistlib.SweepJob(base=base, regularization=[0.1, 1.0]), register_as='best').id)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    run = backend.attach(done.stdout.split()[-1])
    result = run.result(LIMIT)
    assert run.best is not None
    assert backend.models.get("best").sha256 == run.best.register_model("child").sha256
    assert result.metrics["accuracy"] > 0.9


def test_one_flag_runs_the_same_command_on_the_cluster(service: "AzureMLEmulator", tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "mnistlib", "train", "--dataset", "digits", "--json", "-q"]
    accuracies = []
    for flag in ([], ["--backend", "azureml"]):
        # Workspace.from_config looks for config.json where it stands.
        done = subprocess.run(
            [*command, *flag, "--runs", str(tmp_path / "runs")],
            cwd=service.config_path.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        accuracies.append(json.loads(done.stdout)["metrics"]["accuracy"])
    assert accuracies[0] == accuracies[1]


def test_every_error_is_one_of_ours(service: "AzureMLEmulator", backend: AzureMLBackend) -> None:
    service.faults.add("error", match="computes", times=1000, status=403)
    with pytest.raises(MnistlibError, match="rights in the workspace"):
        backend.submit(SweepJob(base=TRAIN, regularization=[1.0]))


def test_a_script_runs_in_the_environment_of_a_conda_file(service: "AzureMLEmulator", tmp_path: Path) -> None:
    here = specification_here(besides=("azureml-core", "setuptools", "hypothesis"))
    (tmp_path / "conda.yml").write_text(here.conda)
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text("import hypothesis\n")
    job = ScriptJob(script="train.py", source_directory=str(source))
    options: dict[str, Any] = {"config": service.config_path, "runs_folder": tmp_path / "runs", "retries": QUICK}
    assert AzureMLBackend(**options).submit(job).wait(LIMIT) is RunStatus.FAILED
    richer = AzureMLBackend(environment=tmp_path / "conda.yml", **options)
    assert richer.submit(job).wait(LIMIT) is RunStatus.COMPLETED


def test_a_curated_environment_that_is_not_there_is_refused(service: "AzureMLEmulator", tmp_path: Path) -> None:
    backend = AzureMLBackend(config=service.config_path, environment="curated:nowhere", runs_folder=tmp_path)
    with pytest.raises(JobError, match="the workspace has no environment 'nowhere'"):
        backend.submit(TRAIN)
