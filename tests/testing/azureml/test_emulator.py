"""Start, restart and end of the emulator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("azureml.core")

from azureml.core import Experiment, Model

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import finished, make_cluster, submit_text, wait_until, workspace_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.usefixtures("home")
def test_a_service_that_starts_again_knows_what_it_knew(tmp_path: Path) -> None:
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


def test_the_environment_is_as_before_afterwards(tmp_path: Path) -> None:
    before = dict(os.environ)
    with AzureMLEmulator() as service:
        assert os.environ["HTTPS_PROXY"] == service.environment["HTTPS_PROXY"] != before.get("HTTPS_PROXY")
    assert dict(os.environ) == before
    assert not service.folder.exists()


def test_no_thread_is_left_behind() -> None:
    # In a process of its own: the SDKs that other tests load have timers, each a new thread.
    code = (
        "import threading; from mnistlib.testing.azureml import AzureMLEmulator\n"
        "with AzureMLEmulator(): pass\n"
        "print([thread.name for thread in threading.enumerate()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['MainThread']\n"


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
