"""Clusters, their nodes and what these run in, through both backends for Azure Machine Learning."""

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
from tests.backends.azureml_generations import LIMIT, TRAIN, Generation, made

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# What an SDK and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_cluster_without_quota_is_refused_before_anything_is_sent(
    service: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    service.faults.add("quota", match="other")
    backend = make(compute=AmlComputeSpec(name="other"))
    with pytest.raises(ComputeError, match=r"no quota for cluster other .*AML_COMPUTE_CLUSTER_MAX_NODES"):
        backend.submit(TRAIN)
    assert backend.runs() == []


def test_a_cluster_that_could_not_be_made_says_why_until_it_is_deleted(
    service: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    service.faults.add("quota", match="other")
    compute = AmlComputeSpec(name="other")
    for _ in range(2):
        with pytest.raises(ComputeError, match=r"no quota for cluster other .*(exceeding quota|QuotaReached)"):
            make(compute=compute).compute.ensure()
    cluster = make(compute=compute).compute
    cluster.delete()
    cluster.ensure()
    assert cluster.status()["state"] == "Succeeded"


def test_a_vm_size_that_is_not_there_is_refused_with_some_that_are(make: Callable[..., Any]) -> None:
    backend = make(compute=AmlComputeSpec(name="other", vm_size="STANDARD_NONE"))
    with pytest.raises(ComputeError, match=r"region has no VM size 'STANDARD_NONE'; it has STANDARD_"):
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


def test_a_sweep_has_no_more_runs_at_a_time_than_the_cluster_has_nodes(make: Callable[..., Any]) -> None:
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
