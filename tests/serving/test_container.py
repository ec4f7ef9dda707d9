"""Exported folder of a service: its content, and the service that it starts."""

import json
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from mnistlib import DeploymentError, LocalBackend, ModelVersion, TrainJob, load_dataset
from mnistlib.serving.container import export_service, pinned
from tests.serving.servers import needs_server

pytestmark = needs_server  # an export pins the installed packages


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    backend = LocalBackend(tmp_path_factory.mktemp("runs"))
    run = backend.submit(TrainJob(dataset="digits", regularization=0.5))
    run.wait()
    return run.register_model("sklearn_digits")


@pytest.fixture(scope="module")
def folder(model: ModelVersion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_service(model, tmp_path_factory.mktemp("exported") / "service", report="<p>a report</p>")


def commands(folder: Path) -> list[str]:
    """Return the commands that its README shows, in their order."""
    blocks = re.findall(r"```\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@contextmanager
def started(python: str, folder: Path, words: list[str]) -> Iterator[str]:
    """Run a command of the folder, without this checkout on the path; yield the address."""
    command = [python, *words, "--port", "0", "--json"]
    variables = {"PYTHONPATH": "mnistlib.zip", "PATH": "/usr/bin:/bin", "MNISTLIB_TOKEN": "secret"}
    with subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n") and (line := process.stdout.readline()):
            said += line
        try:
            yield str(json.loads(said)["scoring_uri"])
        finally:
            process.terminate()


def words_of_container(folder: Path) -> list[str]:
    (command,) = re.findall(r"^CMD (.*)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    words: list[str] = json.loads(command)
    return words[1:]


def assert_it_answers(address: str, model: ModelVersion, folder: Path) -> None:
    images = load_dataset("digits").test.images[:20]
    content = {"data": (images.reshape(20, -1) / 255).tolist()}
    # The container listens on all addresses, loopback among them.
    local = re.sub("//[^:/]+", "//127.0.0.1", address)
    answer = requests.post(local, json=content, headers={"Authorization": "Bearer secret"}, timeout=30)
    assert answer.json() == model.load().predict(images).tolist()
    assert requests.post(local, json=content, timeout=30).status_code == 401
    # The README's third command, as curl sends it.
    example = (folder / "example.json").read_bytes()
    headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    assert len(requests.post(local, data=example, headers=headers, timeout=30).json()) == 1
    base = local.removesuffix("/score")
    assert requests.get(f"{base}/health", timeout=30).json()["model"] == "sklearn_digits-1"
    assert requests.get(f"{base}/report", headers=headers, timeout=30).text == "<p>a report</p>"


def test_the_readme_has_three_docker_commands_and_two_without_docker(folder: Path) -> None:
    lines = commands(folder)
    assert [line.split()[0] for line in lines[:3]] == ["docker", "docker", "curl"]
    assert "pip install -r requirements.txt" in lines[3]
    assert lines[4].startswith("PYTHONPATH=mnistlib.zip venv/bin/python -m mnistlib serve ./sklearn_digits-1")


def test_requirements_and_their_dependencies_are_pinned(folder: Path) -> None:
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"numpy", "starlette", "uvicorn", "requests", "anyio", "click"} <= names
    assert "mnistlib" not in names  # it is an archive in the folder


def test_the_containers_command_serves_from_the_folder(folder: Path, model: ModelVersion) -> None:
    with started(sys.executable, folder, words_of_container(folder)) as address:
        assert_it_answers(address, model, folder)


@pytest.mark.slow
def test_the_containers_command_serves_in_a_fresh_virtual_environment(
    folder: Path, model: ModelVersion, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    pip = shlex.split(re.sub(r"^.*&& venv/bin/", "", commands(folder)[3]))
    subprocess.run([python, "-m", *pip], cwd=folder, check=True)
    with started(python, folder, words_of_container(folder)) as address:
        assert_it_answers(address, model, folder)


def test_a_folder_that_is_not_empty_is_left_unchanged(model: ModelVersion, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DeploymentError, match="is not empty: name a new or an empty folder"):
        export_service(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(model: ModelVersion, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    assert (export_service(model, tmp_path / "service") / "Dockerfile").is_file()


def test_a_failed_export_leaves_no_files(model: ModelVersion, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(Exception, match="was changed after it was registered"):
        export_service(replace(model, read=lambda: b"other bytes"), tmp_path / "service")
    assert list(tmp_path.iterdir()) == []


def test_pinned_versions_are_the_installed_ones() -> None:
    import numpy as np

    assert f"numpy=={np.__version__}" in pinned(("scikit-learn",))
