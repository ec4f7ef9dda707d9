"""Registered names of data sets, and the extra for registering them."""

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
def test_the_registered_name_is_that_of_the_tutorial_or_of_the_folder(dataset: str, name: str) -> None:
    assert registered_name(dataset) == name


def test_the_current_folder_is_registered_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path / "digits")
    assert registered_name(".") == "digits"


def test_a_registered_name_is_valid_in_azure() -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}", registered_name("ß" + "x. " * 500))


def test_a_folder_name_without_valid_characters_is_refused() -> None:
    with pytest.raises(JobError, match="Rename the folder, or send its files unregistered with data='upload'"):
        registered_name("/images/数字")


@pytest.mark.needs("azureml.core")
def test_without_the_data_set_runtime_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azureml.dataprep", None)
    with pytest.raises(
        MissingExtraError, match=r'data=\'dataset\' needs .* pip install "mnistlib-ml\[azureml-dataset\]"'
    ):
        AzureMLBackend(data="dataset")
