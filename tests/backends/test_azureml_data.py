"""What a job's data is registered as, and who may register it."""

import re
import sys
from pathlib import Path

import pytest

from mnistlib import AzureMLBackend, JobError, MissingExtraError
from mnistlib.backends.azureml.data import registered_name


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("mnist", "mnist_opendataset"),
        ("fashion-mnist", "fashion_mnist_opendataset"),
        ("/images/my digits (2)", "my_digits_2"),
        ("-folder-", "folder"),
    ],
)
def test_a_data_set_is_registered_as_the_tutorial_calls_it_or_as_its_folder_is_called(dataset: str, name: str) -> None:
    assert registered_name(dataset) == name


def test_the_folder_that_one_stands_in_is_registered_as_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path / "digits")
    assert registered_name(".") == "digits"


def test_a_name_is_one_that_the_service_takes() -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}", registered_name("ß" + "x. " * 500))


def test_a_folder_whose_name_gives_none_is_refused() -> None:
    with pytest.raises(JobError, match="Rename the folder, or send its files unregistered with data='upload'"):
        registered_name("/images/数字")


def test_without_the_data_set_runtime_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("azureml.core", reason="azureml-core is not installed: the tox environment cloud has it")
    monkeypatch.setitem(sys.modules, "azureml.dataprep", None)
    with pytest.raises(MissingExtraError, match=r'data=\'dataset\' needs .* pip install "mnistlib\[azureml-dataset\]"'):
        AzureMLBackend(data="dataset")
