"""Snapshots of azureml-core."""

from pathlib import Path

import pytest

pytest.importorskip("azureml.core")

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import Submit, finished, log_of

pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_unchanged_project_is_not_sent_again(service: AzureMLEmulator, submit: Submit) -> None:
    first = submit("print('one')")
    finished(first)
    before = len(service.requests)
    second = submit("print('one')")
    sent = [request for request in service.requests[before:] if "/content/" in request.path or request.method == "PUT"]
    assert sent == []
    before = len(service.requests)
    third = submit("print('two')")
    sent = [request for request in service.requests[before:] if request.method == "PUT"]
    assert len(sent) == 1
    assert finished(second) == finished(third) == "Completed"


def test_of_a_changed_project_only_the_changes_are_sent(
    service: AzureMLEmulator, submit: Submit, tmp_path: Path
) -> None:
    (tmp_path / "project" / "lib").mkdir(parents=True)
    (tmp_path / "project" / "lib" / "words.txt").write_text("kept")
    (tmp_path / "project" / "gone.txt").write_text("gone")
    code = "import os; print(open('lib/words.txt').read(), os.path.exists('gone.txt'))"
    first = submit(code)
    assert finished(first) == "Completed"
    (tmp_path / "project" / "gone.txt").unlink()
    before = len(service.requests)
    second = submit(code + "  # changed")
    assert finished(second) == "Completed"
    uploads = [request for request in service.requests[before:] if request.path.startswith("/snapshots/")]
    assert [request.method for request in uploads].count("PUT") == 1
    assert log_of(second, tmp_path) == "kept False\n"
    assert Path(second.restore_snapshot(path=str(tmp_path))).exists()
