"""The service's own life: start, restart, scaling, refusal."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import (
    Submit,
    ask,
    environment_of,
    finished,
    log_of,
    make_cluster,
    submit_text,
    wait_until,
)

pytest.importorskip("azureml.core", reason="the extra azureml is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: Any) -> None:
    """A service of one's own needs its own HOME: the SDK remembers workspaces there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def workspace_of(service: AzureMLEmulator) -> Any:
    from azureml.core import Workspace

    return Workspace.from_config(service.config_path)


@pytest.mark.usefixtures("home")
def test_a_service_that_starts_again_knows_what_it_knew(tmp_path: Path) -> None:
    from azureml.core import Experiment, Model

    folder = tmp_path / "state"
    with AzureMLEmulator(folder) as service:
        workspace = workspace_of(service)
        cluster = make_cluster(workspace, "kept", nodes=1)
        run = submit_text(workspace, cluster, tmp_path / "project", "open('outputs/model.txt', 'w').write('weights')")
        finished(run)
        run.register_model("weights", model_path="outputs/model.txt")
        workspace_id = workspace._workspace_id
    with AzureMLEmulator(folder) as service:
        workspace = workspace_of(service)
        assert workspace._workspace_id == workspace_id
        assert list(workspace.compute_targets) == ["kept"]
        assert workspace.get_run(run.id).get_status() == "Completed"
        assert Path(Model(workspace, "weights").download(str(tmp_path / "model"))).read_text() == "weights"
        # The SDK remembers the snapshot that it sent to the service's first life, and sends nothing.
        before = len(service.requests)
        code = (tmp_path / "project" / "train.py").read_text()
        again = submit_text(workspace, workspace.compute_targets["kept"], tmp_path / "project", code)
        assert [request for request in service.requests[before:] if request.method == "PUT"] == []
        assert finished(again) == "Completed"
        assert len(list(Experiment(workspace, "tests").get_runs())) == 2


@pytest.mark.usefixtures("home")
def test_a_run_that_a_stop_cut_off_is_run_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    code = f"""
        import pathlib, time
        first = pathlib.Path({str(tmp_path / "first")!r})
        if not first.exists():
            first.touch()
            time.sleep(600)
        """
    with AzureMLEmulator(folder) as service:
        workspace = workspace_of(service)
        run = submit_text(workspace, make_cluster(workspace, "kept", nodes=1), tmp_path / "project", code)
        wait_until((tmp_path / "first").exists)
    with AzureMLEmulator(folder) as service:
        assert finished(workspace_of(service).get_run(run.id)) == "Completed"


@pytest.mark.usefixtures("home")
def test_a_cluster_grows_with_its_queue_to_its_maximum_and_shrinks_to_its_minimum(tmp_path: Path) -> None:
    with AzureMLEmulator(node_idle_seconds=0.2) as service:
        workspace = workspace_of(service)
        cluster = make_cluster(workspace, "scaling", nodes=2)
        gate = tmp_path / "gate"
        code = f"""
            import os, time
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            """
        runs = [submit_text(workspace, cluster, tmp_path / "project", code) for _ in range(3)]

        def statuses() -> list[str]:
            return sorted(run.get_status() for run in runs)

        wait_until(lambda: statuses() == ["Queued", "Running", "Running"])
        status = cluster.get_status()
        assert (status.current_node_count, status.node_state_counts.running_node_count) == (2, 2)
        assert {node["runId"] for node in cluster.list_nodes()} < {run.id for run in runs}
        gate.touch()
        assert [finished(run) for run in runs] == ["Completed"] * 3
        wait_until(lambda: cluster.get_status().current_node_count == 0)


@pytest.mark.usefixtures("home")
def test_a_node_takes_its_time_to_start_and_a_queued_run_can_be_cancelled(tmp_path: Path) -> None:
    with AzureMLEmulator(node_start_seconds=600) as service:
        workspace = workspace_of(service)
        cluster = make_cluster(workspace, "slow", nodes=1)
        run = submit_text(workspace, cluster, tmp_path / "project", "print('never')")
        assert run.get_status() == "Queued"
        assert cluster.get_status().allocation_state == "Resizing"
        run.cancel()
        assert finished(run) == "Canceled"


@pytest.mark.usefixtures("home")
def test_a_minimum_of_nodes_is_there_before_any_work() -> None:
    with AzureMLEmulator(node_idle_seconds=0.01) as service:
        cluster = make_cluster(workspace_of(service), "warm", nodes=2, fewest=1)
        assert cluster.get_status().current_node_count == 1
        cluster.update(min_nodes=0)
        wait_until(lambda: cluster.get_status().current_node_count == 0)


@pytest.mark.usefixtures("home")
def test_a_quota_of_cores_holds_over_all_clusters() -> None:
    from azureml.core.compute_target import ComputeTargetException

    with AzureMLEmulator(vm_quota=8) as service:
        workspace = workspace_of(service)
        make_cluster(workspace, "first", nodes=3)
        with pytest.raises(ComputeTargetException, match="ClusterCoreQuotaReached"):
            make_cluster(workspace, "second", nodes=2)
        make_cluster(workspace, "third", nodes=1)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [("good-name", "STANDARD_X1", "VM size STANDARD_X1 is not supported"), ("9lives", "STANDARD_D2_V2", "is no name")],
)
def test_a_cluster_that_can_not_be_is_refused(workspace: Any, name: str, size: str, message: str) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.core.compute_target import ComputeTargetException

    settings = AmlCompute.provisioning_configuration(size, max_nodes=1)
    with pytest.raises(ComputeTargetException, match=message):
        ComputeTarget.create(workspace, name, settings)


def test_a_job_for_an_unknown_cluster_is_refused(submit: Submit) -> None:
    from azureml.exceptions import ExperimentExecutionException

    with pytest.raises(ExperimentExecutionException, match="The compute target nowhere was not found"):
        submit("print('never')", target="nowhere")


@pytest.mark.parametrize("address", ["https://example.com/", "https://example.com:8443/", "http://example.com/x"])
def test_nothing_else_can_be_reached(service: AzureMLEmulator, lookups: list[str], address: str) -> None:
    service.refused.clear()
    if address.startswith("https"):
        with pytest.raises(requests.exceptions.ProxyError, match="403 Refused by the emulator"):
            requests.get(address, timeout=10)
    else:
        assert requests.get(address, timeout=10).status_code == 403
    assert service.refused == ["example.com"]
    assert lookups == []
    service.refused.clear()


def test_a_job_reaches_nothing_else_either(service: AzureMLEmulator, submit: Submit) -> None:
    run = submit("import urllib.request; urllib.request.urlopen('https://example.org')")
    assert finished(run) == "Failed"
    assert "403 Refused by the emulator" in run.get_details()["error"]["error"]["message"]
    assert service.refused == ["example.org"]
    service.refused.clear()


def test_the_guard_sees_a_lookup(lookups: list[str]) -> None:
    import socket

    with pytest.raises(OSError, match=r"nowhere|Name|resolution|known"):
        socket.getaddrinfo("nowhere.invalid", 443)
    assert lookups == ["nowhere.invalid"]
    lookups.clear()


def test_a_call_that_is_not_covered_is_named(service: AzureMLEmulator) -> None:
    answer = ask(service, "jasmine/v1.0", "/experimentids/x/run", method="POST")
    assert answer.status_code == 501
    message = answer.json()["error"]["message"]
    assert message.startswith("the emulator does not cover POST eastus.api.azureml.ms/jasmine/v1.0/subscriptions/")


def test_data_goes_up_and_down_again(workspace: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    contents = {"a.txt": b"a", "empty": b"", "deep/er/b with blanks.bin": bytes(range(256)) * 4096, "ä.txt": b"umlaut"}
    for name, content in contents.items():
        (source / name).write_bytes(content)
    datastore = workspace.get_default_datastore()
    datastore.upload(str(source), "there", show_progress=False)
    datastore.download(str(tmp_path / "back"), "there", show_progress=False)
    back = tmp_path / "back" / "there"
    assert {str(file.relative_to(back)): file.read_bytes() for file in back.rglob("*") if file.is_file()} == contents


def test_a_large_file_goes_up_in_blocks(service: AzureMLEmulator, workspace: Any, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    content = os.urandom(1 << 20) * 65
    (tmp_path / "source" / "large.bin").write_bytes(content)
    datastore = workspace.get_default_datastore()
    before = len(service.requests)
    datastore.upload(str(tmp_path / "source"), "large", show_progress=False)
    assert [request.method for request in service.requests[before:]].count("PUT") > 10
    datastore.download(str(tmp_path / "back"), "large", show_progress=False)
    assert (tmp_path / "back" / "large" / "large.bin").read_bytes() == content


def test_of_two_who_want_to_be_first_one_is(service: AzureMLEmulator, workspace: Any, submit: Submit) -> None:
    run = submit("pass")
    both_have_begun = threading.Event()
    answers: list[int] = []

    def upload() -> None:
        def body() -> Iterator[bytes]:
            yield b"one half, "
            assert both_have_begun.wait(60)
            yield b"the other"

        headers = {"If-None-Match": "*", "x-ms-blob-type": "BlockBlob"}
        answers.append(requests.put(address, data=body(), headers=headers, timeout=60).status_code)

    wanted = {"paths": [{"path": "logs/first.txt"}]}
    place = f"/artifacts/batch/metadata/ExperimentRun/dcid.{run.id}"
    made = ask(service, "artifact/v2.0", place, method="POST", body=wanted).json()
    address = made["artifactContentInformation"]["logs/first.txt"]["contentUri"]
    threads = [threading.Thread(target=upload) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(list(service.folder.glob("incoming/.*.part"))) == 2)
    both_have_begun.set()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409]


@pytest.mark.parametrize("mode", ["as_mount", "as_download"])
@pytest.mark.parametrize("path", ["numbers", "numbers/one.txt"])
def test_data_references_become_paths_on_the_node(
    workspace: Any, submit: Submit, tmp_path: Path, mode: str, path: str
) -> None:
    from azureml.core import Experiment, ScriptRunConfig

    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "one.txt").write_text("1")
    datastore = workspace.get_default_datastore()
    datastore.upload(str(tmp_path / "source"), "numbers", show_progress=False)
    reference = getattr(datastore.path(path), mode)()
    (tmp_path / "train.py").write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "print((path / 'one.txt' if path.is_dir() else path).read_text())"
    )
    settings = ScriptRunConfig(
        str(tmp_path),
        script="train.py",
        arguments=[str(reference)],
        compute_target="cpu-cluster",
        environment=environment_of(),
    )
    settings.run_config.data_references[reference.data_reference_name] = reference.to_config()
    run = Experiment(workspace, "tests").submit(settings)
    assert finished(run) == "Completed", run.get_details()
    assert log_of(run, tmp_path) == "1\n"


def test_a_data_reference_to_nothing_fails_the_run(workspace: Any, cluster: Any, tmp_path: Path) -> None:
    from azureml.core import Experiment, ScriptRunConfig

    reference = workspace.get_default_datastore().path("nothing/here").as_mount()
    (tmp_path / "train.py").write_text("print('never')")
    settings = ScriptRunConfig(str(tmp_path), script="train.py", compute_target=cluster, environment=environment_of())
    settings.run_config.data_references[reference.data_reference_name] = reference.to_config()
    run = Experiment(workspace, "tests").submit(settings)
    assert finished(run) == "Failed"
    assert "the datastore has nothing at 'nothing/here'" in run.get_details()["error"]["error"]["message"]


def test_secrets_are_kept(workspace: Any) -> None:
    vault = workspace.get_default_keyvault()
    vault.set_secret("name", "value")
    assert vault.get_secret("name") == "value"
    assert [secret["name"] for secret in vault.list_secrets()] == ["name"]
    vault.delete_secret("name")
    assert vault.list_secrets() == []


def test_the_command_prints_what_another_process_needs_and_ends_when_it_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mnistlib.testing.azureml", "--folder", str(tmp_path / "state")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1].startswith("export "):
            lines.append(process.stdout.readline())
        exported = dict(re.findall(r"export (\w+)=(.*)\n", "".join(lines)))
        assert lines[-1].startswith("# Workspace.from_config(")
        config = str(tmp_path / "state" / "config.json")
        code = f"from azureml.core import Workspace; print(Workspace.from_config({config!r}).name)"
        environment = {**os.environ, **exported, "HOME": str(tmp_path)}
        asked = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert asked.stdout == "loopback\n", asked.stderr
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_the_environment_is_as_before_afterwards(tmp_path: Path) -> None:
    before = dict(os.environ)
    with AzureMLEmulator() as service:
        assert os.environ["HTTPS_PROXY"] == service.environment["HTTPS_PROXY"] != before.get("HTTPS_PROXY")
    assert dict(os.environ) == before
    assert not service.folder.exists()


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    with AzureMLEmulator():
        pass
    assert threading.active_count() == before


def test_a_registered_data_set_is_a_folder_on_the_node(
    service: AzureMLEmulator, workspace: Any, cluster: Any, tmp_path: Path
) -> None:
    from azureml.core import Dataset, Experiment, ScriptRunConfig

    (tmp_path / "source").mkdir()
    for name in ("one.txt", "two.txt", "other.bin"):
        (tmp_path / "source" / name).write_text(name)
    workspace.get_default_datastore().upload(str(tmp_path / "source"), "set", show_progress=False)
    # What azureml-dataset-runtime would send; it needs an older NumPy than this package may be tested with.
    definition = "paths:\n- pattern: azureml://subscriptions/s/resourcegroups/g/workspaces/w"
    definition += "/datastores/workspaceblobstore/paths/set/*.txt\n"
    body = {
        "name": "texts",
        "isVisible": True,
        "datasetType": "file",
        "latest": {"dataflow": json.dumps({"meta": {"RsDataflow": definition}}), "properties": {}},
    }
    query = "/datasets?updateDefinitionIfExists=true"
    for _ in range(2):
        registered = ask(service, "dataset/v1.0", query, method="POST", body=body).json()
    assert registered["latest"]["versionId"] == "1"
    dataset = Dataset.get_by_name(workspace, "texts")
    (tmp_path / "train.py").write_text("import os, sys\nprint(sorted(os.listdir(sys.argv[1])))")
    settings = ScriptRunConfig(
        str(tmp_path),
        script="train.py",
        arguments=[dataset.as_named_input("texts").as_mount()],
        compute_target=cluster,
        environment=environment_of(),
    )
    run = Experiment(workspace, "tests").submit(settings)
    assert finished(run) == "Completed", run.get_details()
    assert log_of(run, tmp_path) == "['one.txt', 'two.txt']\n"


@pytest.mark.usefixtures("home")
def test_a_client_outlives_a_restart(tmp_path: Path) -> None:
    with AzureMLEmulator(tmp_path / "state") as service:
        workspace = workspace_of(service)
        cluster = make_cluster(workspace, "kept", nodes=1)
        environment = service.environment
        service.stop()
        with pytest.raises(RuntimeError, match="has not been started"):
            _ = service.environment
        service.start()
        assert service.environment == environment
        run = submit_text(workspace, cluster, tmp_path / "project", "print('after')")
        assert finished(run) == "Completed"


def test_a_port_that_is_taken_is_said_to_be(azureml_service: AzureMLEmulator) -> None:
    port = int(azureml_service.environment["HTTPS_PROXY"].rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"), AzureMLEmulator(port=port):
        pass


def test_a_folder_has_one_emulator_at_a_time(tmp_path: Path) -> None:
    with AzureMLEmulator(tmp_path):
        authority = (tmp_path / "ca.pem").read_bytes()
        with pytest.raises(RuntimeError, match="another emulator serves"):
            AzureMLEmulator(tmp_path).start()
        assert (tmp_path / "ca.pem").read_bytes() == authority
    with AzureMLEmulator(tmp_path) as again:
        assert again.environment
