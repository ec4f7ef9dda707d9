"""File data sets, through azureml-core and azureml-dataset-runtime as they are."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core", reason="the extra azureml is not installed")
pytest.importorskip(
    "azureml.dataprep", reason="azureml-dataset-runtime is not installed: the tox environment cloud-dataset has it"
)

from azureml.core import Dataset
from azureml.exceptions import UserErrorException

from mnistlib.testing.azureml import AzureMLEmulator
from mnistlib.testing.azureml.environments import Python
from mnistlib.testing.azureml.node import Nodes
from tests.loopback import AMONG_PACKAGES, ON_THE_PATH, install
from tests.testing.azureml.steps import Submit, finished, log_of, wait_until

pytestmark = pytest.mark.filterwarnings("ignore")

#: Where the compiled library of azureml-dataset-runtime tells of its use; nothing switches that off.
TELEMETRY = "dc.services.visualstudio.com"


@pytest.fixture
def folder(workspace: Any, tmp_path: Path) -> Any:
    """A folder of the default datastore with two files, of whose names and contents no other test knows."""
    return filled(workspace, tmp_path, "one.txt", "two.txt")


def filled(workspace: Any, tmp_path: Path, *names: str) -> Any:
    datastore, source = workspace.get_default_datastore(), tmp_path / "-".join(names)
    source.mkdir()
    for name in names:
        (source / name).write_text(f"content of {name}")
    target = f"{tmp_path.name}/{source.name}"
    datastore.upload(str(source), target, show_progress=False)
    return datastore.path(target)


def test_a_data_set_has_a_new_version_only_when_it_changes(workspace: Any, folder: Any, tmp_path: Path) -> None:
    def register(place: Any) -> int:
        dataset = Dataset.File.from_files(place).register(workspace, "counted", create_new_version=True)
        return int(dataset.version)

    other = filled(workspace, tmp_path, "three.txt")
    assert [register(place) for place in (folder, folder, other)] == [1, 1, 2]
    assert [Dataset.get_by_name(workspace, "counted", version=number).version for number in (1, 2)] == [1, 2]
    assert Dataset.get_by_name(workspace, "counted").to_path() == ["/three.txt"]


def test_another_content_under_a_name_that_is_taken_is_refused(workspace: Any, folder: Any, tmp_path: Path) -> None:
    Dataset.File.from_files(folder).register(workspace, "taken")
    with pytest.raises(UserErrorException, match='already a dataset registered under name "taken"'):
        Dataset.File.from_files(filled(workspace, tmp_path, "three.txt")).register(workspace, "taken")


def test_tags_belong_to_a_version_and_can_be_changed(workspace: Any, folder: Any, tmp_path: Path) -> None:
    first = Dataset.File.from_files(folder).register(workspace, "tagged", tags={"kind": "first"})
    other = filled(workspace, tmp_path, "three.txt")
    Dataset.File.from_files(other).register(workspace, "tagged", tags={"kind": "second"}, create_new_version=True)
    first.add_tags({"more": "yes"})
    assert Dataset.get_by_name(workspace, "tagged", version=1).tags == {"kind": "first", "more": "yes"}
    assert Dataset.get_by_name(workspace, "tagged").tags == {"kind": "second"}


def test_a_data_set_is_listed_until_it_is_unregistered(workspace: Any, folder: Any) -> None:
    dataset = Dataset.File.from_files(folder).register(workspace, "listed")
    assert "listed" in [known.name for known in Dataset.get_all(workspace).registrations]
    dataset.unregister_all_versions()
    assert "listed" not in [known.name for known in Dataset.get_all(workspace).registrations]


def test_a_client_downloads_what_is_in_a_data_set(workspace: Any, folder: Any, tmp_path: Path) -> None:
    dataset = Dataset.File.from_files(folder).register(workspace, "downloaded")
    paths = [Path(path) for path in dataset.download(str(tmp_path / "back"))]
    assert {path.name: path.read_text() for path in paths} == {
        "one.txt": "content of one.txt",
        "two.txt": "content of two.txt",
    }


def test_a_folder_becomes_a_data_set_in_one_call(workspace: Any, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "deep.txt").write_text("deep")
    target = (workspace.get_default_datastore(), f"{tmp_path.name}/uploaded")
    dataset = Dataset.File.upload_directory(str(tmp_path / "source"), target, show_progress=False)
    assert dataset.to_path() == ["/deep.txt"]


@pytest.mark.parametrize("mode", ["as_mount", "as_download"])
def test_a_job_is_told_the_folder_by_its_argument_and_by_a_variable(
    workspace: Any, folder: Any, submit: Submit, tmp_path: Path, mode: str
) -> None:
    dataset = Dataset.File.from_files(folder).register(workspace, "told", create_new_version=True)
    run = submit(
        """
        import os, sys
        from azureml.core import Run
        print(sorted(os.listdir(sys.argv[1])), sys.argv[1] == os.environ["texts"])
        print(Run.get_context().input_datasets["texts"] == sys.argv[1])
        """,
        packages=("azureml-core",),
        arguments=[getattr(dataset.as_named_input("texts"), mode)()],
    )
    assert finished(run) == "Completed", run.get_details()["error"]
    assert log_of(run, tmp_path) == "['one.txt', 'two.txt'] True\nTrue\n"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A file for the hosts that other processes look up or connect to in Python."""
    return tmp_path / "hosts.txt"


def test_nothing_leaves_the_machine_from_a_client_with_the_data_set_runtime(hosts: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "one.txt").write_text("one")
    install(tmp_path, hosts, starter=ON_THE_PATH)
    # A service of its own, of which this process, with the same library, knows nothing.
    service = AzureMLEmulator(tmp_path / "state")
    service.start()
    code = f"""
from azureml.core import Dataset, Workspace
workspace = Workspace.from_config({str(service.config_path)!r})
datastore = workspace.get_default_datastore()
datastore.upload({str(tmp_path / "source")!r}, "source", show_progress=False)
dataset = Dataset.File.from_files(datastore.path("source")).register(workspace, "guarded")
dataset.download({str(tmp_path / "back")!r})
input()  # the library tells of its use in its own time
"""
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = os.environ | service.environment | {"PYTHONPATH": path, "HOME": str(tmp_path / "home")}
    command = [sys.executable, "-W", "ignore", "-c", code]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, text=True) as client:
        wait_until(lambda: service.refused or client.poll() is not None)
        client.communicate("\n")
    service.stop()
    assert client.returncode == 0
    assert (tmp_path / "back" / "one.txt").read_text() == "one"
    assert set(service.refused) == {TELEMETRY}
    assert set(hosts.read_text().split()) == {"127.0.0.1"}


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
def test_nothing_leaves_the_machine_from_a_job_with_the_data_set_runtime(
    service: AzureMLEmulator, folder: Any, hosts: Path, submit: Submit, tmp_path: Path
) -> None:
    service.refused.clear()
    run = submit(
        """
        import os
        from azureml.core import Run
        paths = Run.get_context().input_datasets["texts"].download("here")
        print(sorted(os.path.basename(path) for path in paths))
        """,
        packages=("azureml-core", "azureml-dataset-runtime"),
        arguments=[Dataset.File.from_files(folder).as_named_input("texts")],
    )
    assert finished(run) == "Completed", run.get_details()["error"]
    assert "['one.txt', 'two.txt']" in log_of(run, tmp_path)
    assert set(service.refused) <= {TELEMETRY}
    assert set(hosts.read_text().split()) == {"127.0.0.1"}
