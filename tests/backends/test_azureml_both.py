"""Both backends for Azure Machine Learning, beyond the contract: few requests, one submission, clear errors."""

import json
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import mnistlib
from mnistlib import (
    AmlComputeSpec,
    BackendError,
    ClusterError,
    JobFailedError,
    MnistlibError,
    ScriptJob,
    SweepJob,
    TrainJob,
)
from mnistlib.backends import get_backend
from mnistlib.backends.azureml.backend import AzureMLRun
from tests.backends.azureml_generations import LIMIT, TRAIN, Generation, count_requests

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

# Warnings of the SDKs and their dependencies are ignored.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_unchanged_second_submission_sends_neither_code_nor_data_again(
    generation: Generation, emulator: "AzureMLEmulator", make: Callable[..., Any], tmp_path: Path
) -> None:
    job = TrainJob(dataset=str(two_kinds_of_images(tmp_path / "data")))
    assert make().submit(job).result(LIMIT).metrics["accuracy"] == 1.0
    matches = (generation.sends_code, generation.sends_data, generation.registers)
    sent = {match: count_requests(emulator, match) for match in matches}
    assert sent[generation.sends_data] >= 4
    assert all(sent.values())
    again = make().submit(job)
    assert {match: count_requests(emulator, match) for match in matches} == sent
    assert again.result(LIMIT).metrics["accuracy"] == 1.0


def test_data_downloaded_by_the_nodes_is_not_sent(
    generation: Generation, emulator: "AzureMLEmulator", make: Callable[..., Any]
) -> None:
    backend, job = make(data="fetch"), TrainJob(dataset="mnist")
    assert backend.plan(job).data == {}
    backend.submit(job).cancel()
    assert count_requests(emulator, generation.sends_code) > 0
    assert count_requests(emulator, generation.sends_data) == 0


def test_an_unknown_value_of_data_is_refused(generation: Generation) -> None:
    with pytest.raises(BackendError, match=f"data must be one of {generation.data_ways}, not 'carrier pigeon'"):
        get_backend(generation.name, data="carrier pigeon")


def test_the_value_of_data_is_also_read_from_the_environment(
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
    assert re.search(r"send source: \d+ files, \S+ MB, unless already there", text)
    assert sum(plan.shipped.values()) < 1e6


def test_the_error_of_a_missing_workspace_names_the_portal(generation: Generation, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"can't open the workspace of .*Download config\.json"):
        get_backend(generation.name, config=tmp_path / "nowhere.json").submit(TRAIN)


def test_a_job_submitted_despite_faults_runs_once(
    generation: Generation, emulator: "AzureMLEmulator", backend: Any
) -> None:
    faults = [
        emulator.faults.add("throttle", match="GET .*/computes/"),
        emulator.faults.add("error", match="GET .*/environments/", status=503),
        emulator.faults.add("lost_answer", match=generation.starts),
        emulator.faults.add("expired_token", match="GET .*/runs/"),
    ]
    run = backend.submit(TRAIN)
    assert run.result(LIMIT).metrics["accuracy"] > 0.9
    assert [fault.count for fault in faults] == [1] * len(faults)
    assert count_requests(emulator, generation.starts) == 1
    assert [known.id for known in backend.runs()] == [run.id]


@pytest.mark.slow  # an SDK's blob client retries for a minute and a half
def test_a_full_store_raises_an_error_and_no_run_starts(
    emulator: "AzureMLEmulator", backend: Any, source: Path
) -> None:
    (source / "train.py").write_text("print('done')\n")
    emulator.faults.add("disk_full", match="PUT .*blob.*/(snapshots|code-)", times=1000)
    with pytest.raises(ClusterError, match="submitting run"):
        backend.submit(ScriptJob(script="train.py", source_directory=str(source)))
    emulator.faults.clear()
    assert backend.runs() == []


def test_secrets_are_in_no_record_log_plan_or_error(
    emulator: "AzureMLEmulator", backend: Any, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "mnistlib")
    (source / "train.py").write_text("import os\nassert os.environ['TOKEN'] == 'geheim-1'\nraise SystemExit(3)\n")
    job = ScriptJob(script="train.py", source_directory=str(source), environment={"TOKEN": "geheim-1"})
    names = json.loads((emulator.folder / "names.json").read_text())
    run = backend.submit(job)
    with pytest.raises(JobFailedError, match="exit status 3") as caught:
        run.result(LIMIT)
    run.download(tmp_path / "all")
    texts = [str(backend.plan(job)), run.logs(), str(run.record), *traceback.format_exception(caught.value)]
    texts += [record.getMessage() for record in caplog.records if record.name == "mnistlib"]
    texts += [path.read_text(errors="replace") for path in (tmp_path / "all").rglob("*") if path.is_file()]
    for text in texts:
        for secret in ("geheim-1", names["client_secret"], names["account_key"], "Bearer ey", "sig="):
            assert secret not in text


def test_a_registered_model_has_metrics_and_digest(backend: Any) -> None:
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


def test_a_sweep_completes_after_the_submitting_process_has_ended(
    generation: Generation, backend: Any, emulator: "AzureMLEmulator"
) -> None:
    code = (
        f"import mnistlib; backend = mnistlib.get_backend({generation.name!r}, config={str(emulator.config_path)!r})\n"
        "base = mnistlib.TrainJob(dataset='digits', tol=0.01)\n"
        "print(backend.submit(mnistlib.SweepJob(base=base, regularization=[0.1, 1.0]), register_as='best').id)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    run = backend.attach(done.stdout.split()[-1])
    result = run.result(LIMIT)
    assert run.best is not None
    assert backend.models.get("best").sha256 == run.best.register_model("child").sha256
    assert result.metrics["accuracy"] > 0.9


def test_one_flag_runs_the_same_command_on_the_cluster(
    generation: Generation, emulator: "AzureMLEmulator", tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "mnistlib", "train", "--dataset", "digits", "--json", "-q"]
    accuracies = []
    for flag in ([], ["--backend", generation.name]):
        # The command looks for the workspace's config.json in its current folder.
        done = subprocess.run(
            [*command, *flag, "--runs", str(tmp_path / "runs")],
            cwd=emulator.config_path.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        accuracies.append(json.loads(done.stdout)["metrics"]["accuracy"])
        assert "config.json" not in done.stderr  # no message of an SDK
    assert accuracies[0] == accuracies[1]


def test_an_error_of_the_sdk_becomes_one_of_this_package(emulator: "AzureMLEmulator", backend: Any) -> None:
    emulator.faults.add("error", match="computes", times=1000, status=403)
    with pytest.raises(MnistlibError, match="role in the workspace"):
        backend.submit(SweepJob(base=TRAIN, regularization=[1.0]))


def two_kinds_of_images(folder: Path) -> Path:
    """Write images of two classes that differ in the first pixels."""
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
