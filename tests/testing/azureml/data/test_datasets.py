"""File data sets, through azureml-core and azureml-dataset-runtime as they are."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("azureml.core")
pytest.importorskip("azureml.dataprep")

from azureml.core import Dataset
from azureml.exceptions import UserErrorException

from tests.testing.azureml.steps import Submit, filled, finished, log_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def folder(workspace: Any, tmp_path: Path) -> Any:
    """A folder of the default datastore with two files, of whose names and contents no other test knows."""
    return filled(workspace, tmp_path, "one.txt", "two.txt")


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
