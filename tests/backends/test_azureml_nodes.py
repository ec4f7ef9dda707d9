"""Clusters, nodes and environments, through both backends for Azure Machine Learning."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mnistlib import (
    AmlComputeSpec,
    ComputeError,
    JobError,
    JobFailedError,
    RunStatus,
    ScriptJob,
    SweepJob,
)
from mnistlib.backends.cloud.specification import specification_here
from tests.backends.azureml_generations import LIMIT, TRAIN, Generation, count_requests

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_cluster_without_quota_is_refused_before_anything_is_sent(
    emulator: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    emulator.faults.add("quota", match="other")
    backend = make(compute=AmlComputeSpec(name="other"))
    with pytest.raises(ComputeError, match=r"no quota for cluster other .*AML_COMPUTE_CLUSTER_MAX_NODES"):
        backend.submit(TRAIN)
    assert backend.runs() == []


def test_a_failed_cluster_raises_its_reason_until_it_is_deleted(
    emulator: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    emulator.faults.add("quota", match="other")
    compute = AmlComputeSpec(name="other")
    for _ in range(2):
        with pytest.raises(ComputeError, match=r"no quota for cluster other .*(exceeding quota|QuotaReached)"):
            make(compute=compute).compute.ensure()
    cluster = make(compute=compute).compute
    cluster.delete()
    cluster.ensure()
    assert cluster.status()["state"] == "Succeeded"


def test_the_error_of_an_unknown_vm_size_lists_known_ones(make: Callable[..., Any]) -> None:
    backend = make(compute=AmlComputeSpec(name="other", vm_size="STANDARD_NONE"))
    with pytest.raises(ComputeError, match=r"region has no VM size 'STANDARD_NONE'; it has STANDARD_"):
        backend.submit(TRAIN)


def test_a_cluster_reports_its_nodes_and_is_deleted(backend: Any) -> None:
    backend.submit(TRAIN).wait(LIMIT)
    status = backend.compute.status()
    assert (status["state"], status["most"], status["nodes"]) == ("Succeeded", 4, 1)
    assert status["vm_size"] == "STANDARD_D2_V2"
    assert status["running"] + status["idle"] + status["preparing"] == 1
    backend.compute.delete()
    assert backend.compute.status() is None


def test_a_failed_image_build_fails_the_run_with_its_reason(emulator: "AzureMLEmulator", backend: Any) -> None:
    emulator.faults.add("image_build")
    with pytest.raises(JobFailedError, match="could not be built"):
        backend.run(TRAIN)


def test_a_full_disk_of_a_node_fails_the_run_with_the_reason(emulator: "AzureMLEmulator", backend: Any) -> None:
    emulator.faults.add("node_disk_full")
    with pytest.raises(JobFailedError, match=r"(?i)no space left"):
        backend.run(TRAIN)


def test_a_job_on_a_preempted_node_completes_on_another(emulator: "AzureMLEmulator", backend: Any) -> None:
    fault = emulator.faults.add("preempted", seconds=0.2)
    run = backend.submit(TRAIN)
    assert run.result(LIMIT).metrics["accuracy"] > 0.9
    assert fault.count == 1
    assert [known.id for known in backend.runs()] == [run.id]


def test_a_sweep_runs_at_most_one_trial_per_node_of_the_cluster(make: Callable[..., Any]) -> None:
    backend = make(compute=AmlComputeSpec(name="single", max_nodes=1))
    run = backend.submit(SweepJob(base=TRAIN, regularization=[0.1, 1.0, 10.0]))
    assert run.wait(LIMIT) is RunStatus.COMPLETED
    spans = sorted((child.record.started, child.record.ended) for child in run.children())
    assert len(spans) == 3
    assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(spans))


def test_a_script_runs_in_the_environment_of_a_conda_file(
    generation: Generation, make: Callable[..., Any], source: Path, tmp_path: Path
) -> None:
    here = specification_here(besides=(*generation.logs_with, "hypothesis"))
    (tmp_path / "conda.yml").write_text(here.conda)
    (source / "train.py").write_text("import hypothesis\n")
    job = ScriptJob(script="train.py", source_directory=str(source))
    assert make().submit(job).wait(LIMIT) is RunStatus.FAILED
    assert make(environment=tmp_path / "conda.yml").submit(job).wait(LIMIT) is RunStatus.COMPLETED


def test_a_curated_environment_is_used_unchanged(
    generation: Generation, emulator: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    backend = make(environment="curated:AzureML-sklearn-1.5")
    backend.submit(TRAIN).cancel()
    assert count_requests(emulator, generation.starts) == 1
    assert count_requests(emulator, generation.registers) == 0


def test_an_unknown_curated_environment_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(JobError, match="the workspace has no environment 'nowhere'"):
        make(environment="curated:nowhere").submit(TRAIN)
