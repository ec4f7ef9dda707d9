"""The storage account through azureml-core."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

pytest.importorskip("azureml.core")

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import Submit, ask, wait_until

pytestmark = pytest.mark.filterwarnings("ignore")


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
