"""Commands deploy and services, against real services."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnistlib import LocalBackend
from tests.serving.servers import needs_server, run


@pytest.fixture
def runs(runs_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder of runs with the shared models and its own services, which are stopped at the end."""
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / ".models").symlink_to(runs_folder / ".models")
    yield folder
    for service in LocalBackend(folder).services.list():
        service.delete()


@needs_server
def test_a_model_is_deployed_scored_listed_shown_and_deleted(runs: Path, files: Path, labels: list[str]) -> None:
    place = ("--runs", runs)
    facts = json.loads(run("deploy", "digits:1", *place, "--json"))
    assert facts == {"name": "digits", "model": "digits:1", "status": "running", "scoring_uri": facts["scoring_uri"]}
    assert "--replace" in run("deploy", "digits", *place, status=1)
    replaced = run("deploy", "digits", "--replace", *place).splitlines()
    assert [line.split()[-1] for line in replaced][:2] == ["digits", "digits:2"]
    assert (
        run("score", files / "three.idx", "--service", "digits", *place, MNISTLIB_TOKEN="other").splitlines() == labels
    )
    (listed,) = json.loads(run("services", *place, "--json"))["services"]
    assert run("services", "list", *place).splitlines()[1].split() == list(listed.values())
    shown = dict(line.split("  ", 1) for line in run("services", "show", "digits", *place).splitlines())
    assert shown["model"].strip() == "digits:2"
    assert json.loads(run("services", "show", "digits", *place, "--json")) == listed
    assert run("services", "logs", "digits", *place).startswith("serving digits:2 on ")
    assert run("services", "delete", "digits", *place) == "digits  deleted\n"
    assert "no service 'digits': nothing has been deployed yet" in run("services", "show", "digits", *place, status=1)


@needs_server
def test_a_services_port_can_be_chosen(runs: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = run("deploy", "digits", "--port", port, "--runs", runs, status=1)
        assert "did not start" in line
        assert f"port {port}" in line
    facts = json.loads(run("deploy", "digits", "--port", port, "--runs", runs, "--json"))
    assert facts["scoring_uri"] == f"http://127.0.0.1:{port}/score"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("digits", "--name", "Not_A_Name"), 1, "a service's name must be"),
        (("nosuch",), 1, "no model 'nosuch'"),
        (("digits:9",), 1, "it has 1, 2"),
        (("digits", "--cpu-cores", "2"), 2, "--cpu-cores is not supported by this backend"),
        (("digits", "--no-auth"), 2, "--no-auth is not supported by this backend"),
    ],
)
@needs_server
def test_the_error_of_a_failed_deployment_is_one_line(
    runs: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    assert said in run("deploy", *words, "--runs", runs, status=status)


@needs_server
def test_no_service_is_deleted_if_one_of_several_is_missing(runs: Path) -> None:
    run("deploy", "digits", "--runs", runs)
    run("services", "delete", "digits", "nosuch", "--runs", runs, status=1)
    assert json.loads(run("services", "--runs", runs, "--json"))["services"][0]["status"] == "running"


@pytest.mark.parametrize("words", [("serve",), ("score",), ("deploy",), ("services",), ("services", "delete")])
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    assert run(*words, "--help").startswith("usage: ")
