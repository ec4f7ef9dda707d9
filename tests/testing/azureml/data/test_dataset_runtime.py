"""Nothing but loopback is looked up or connected to, by Python code or by the compiled library of the data set runtime.

An audit hook sees what Python code does, the emulator's proxy what the library asks it for, and strace, where there is
one, what either asks of the kernel.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")
pytest.importorskip("azureml.dataprep")

from azureml.core import Dataset

from mnistlib.testing.azureml import AzureMLEmulator
from mnistlib.testing.azureml.compute.nodes import Nodes
from mnistlib.testing.azureml.environments.builds import Python
from tests.loopback import AMONG_PACKAGES, LOOPBACK, ON_THE_PATH, install
from tests.testing.azureml.steps import Submit, filled, finished, log_of, wait_until

pytestmark = pytest.mark.filterwarnings("ignore")

#: Where the compiled library tells of its use; nothing switches that off.
TELEMETRY = "dc.services.visualstudio.com"

CLIENT = """
import sys
from azureml.core import Dataset, Workspace
config, source, back = sys.argv[1:]
workspace = Workspace.from_config(config)
datastore = workspace.get_default_datastore()
datastore.upload(source, "source", show_progress=False)
dataset = Dataset.File.from_files(datastore.path("source")).register(workspace, "guarded")
dataset.download(back)
input()  # the library tells of its use in its own time
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A file for the hosts that other processes look up or connect to in Python."""
    return tmp_path / "hosts.txt"


def refused_to_a_client(folder: Path, *tracer: str) -> set[str]:
    """Run a client that registers a data set and downloads it; return the hosts that it was refused."""
    for name in ("source", "home"):
        (folder / name).mkdir()
    (folder / "source" / "one.txt").write_text("one")
    # A service of its own, of which this process, with the same library, knows nothing.
    service = AzureMLEmulator(folder / "state")
    service.start()
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environment = os.environ | service.environment | {"PYTHONPATH": path, "HOME": str(folder / "home")}
    places = (service.config_path, folder / "source", folder / "back")
    command = [*tracer, sys.executable, "-W", "ignore", "-c", CLIENT, *map(str, places)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, text=True) as client:
        wait_until(lambda: service.refused or client.poll() is not None)
        client.communicate("\n")
    service.stop()
    assert client.returncode == 0
    assert (folder / "back" / "one.txt").read_text() == "one"
    return set(service.refused)


def test_python_code_of_a_client_reaches_loopback_only_and_the_library_is_refused(hosts: Path, tmp_path: Path) -> None:
    install(tmp_path, hosts, starter=ON_THE_PATH)
    assert refused_to_a_client(tmp_path) == {TELEMETRY}
    assert set(hosts.read_text().split()) == {"127.0.0.1"}


def test_the_kernel_is_asked_for_connections_to_loopback_only(tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    tracer = ("strace", "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace))
    if not shutil.which("strace") or subprocess.run([*tracer, "true"], capture_output=True, check=False).returncode:
        pytest.skip("there is no strace that may trace here")
    refused_to_a_client(tmp_path, *tracer)
    addresses = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', trace.read_text())
    assert {four or six for four, six in addresses} == {"127.0.0.1"}


@pytest.fixture
def watched_jobs(hosts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = Nodes.python_for

    def watched(nodes: Nodes, environment: dict[str, Any]) -> Python:
        python = build(nodes, environment)
        (packages,) = python.executable.parent.parent.glob("lib/python*/site-packages")
        install(packages, hosts, starter=AMONG_PACKAGES)
        return python

    monkeypatch.setattr(Nodes, "python_for", watched)


@pytest.mark.usefixtures("watched_jobs")
def test_a_job_reaches_loopback_only(
    service: AzureMLEmulator, workspace: Any, hosts: Path, submit: Submit, tmp_path: Path
) -> None:
    dataset = Dataset.File.from_files(filled(workspace, tmp_path, "one.txt", "two.txt"))
    service.refused.clear()
    run = submit(
        """
        import os
        from azureml.core import Run
        paths = Run.get_context().input_datasets["texts"].download("here")
        print(sorted(os.path.basename(path) for path in paths))
        """,
        packages=("azureml-core", "azureml-dataset-runtime"),
        arguments=[dataset.as_named_input("texts")],
    )
    assert finished(run) == "Completed", run.get_details()["error"]
    assert "['one.txt', 'two.txt']" in log_of(run, tmp_path)
    assert set(service.refused) <= {TELEMETRY}
    assert set(hosts.read_text().split()) == {"127.0.0.1"}


@pytest.mark.usefixtures("watched_jobs")
def test_the_guard_sees_where_a_job_wants_to(service: AzureMLEmulator, hosts: Path, submit: Submit) -> None:
    run = submit("import socket; socket.getaddrinfo('nowhere.invalid', 443)")
    assert finished(run) == "Failed"
    assert set(hosts.read_text().split()) - LOOPBACK == {"nowhere.invalid"}
