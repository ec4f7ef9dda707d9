"""Commands score, deploy and services, against real services."""

import gzip
import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mnistlib import Dataset, LocalBackend
from mnistlib.models.artifact import SavedModel
from tests.serving.png_files import png
from tests.serving.servers import Server, command, digit_picture, environment, idx, needs_server, serving


def run(*arguments: object, status: int = 0, **variables: str) -> str:
    """Return the stdout of a command, or its last line of stderr if it fails as expected."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, env=environment(**variables), check=False
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    if status:
        assert done.stdout == ""
        return done.stderr.splitlines()[-1]
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """A folder with three digits in every kind of file."""
    folder = tmp_path_factory.mktemp("files")
    images = digits.test.images[:3]
    (folder / "three.idx").write_bytes(idx(images))
    (folder / "three.idx.gz").write_bytes(gzip.compress(idx(images)))
    (folder / "three.json").write_text("\n" + json.dumps({"data": (images.reshape(3, -1) / 255).tolist()}))
    (folder / "one.png").write_bytes(png(digit_picture(images[0])))
    (folder / "noise").write_bytes(b"noise")
    (folder / "large.idx").write_bytes(idx(np.zeros((2, 28, 28), np.uint8)))
    return folder


@pytest.fixture(scope="module")
def labels(digits: Dataset, digits_model: SavedModel) -> list[str]:
    return [str(label) for label in digits_model.predict(digits.test.images[:3])]


@pytest.mark.parametrize("name", ["three.idx", "three.idx.gz", "three.json"])
def test_labels_of_a_file_are_printed_one_per_line(server: Server, files: Path, labels: list[str], name: str) -> None:
    assert run("score", files / name, server.uri).splitlines() == labels


def test_a_picture_has_one_label(server: Server, files: Path, digits: Dataset) -> None:
    assert run("score", server.uri, files / "one.png") == f"{digits.test.labels[0]}\n"


def test_lines_of_several_files_name_the_file_and_the_service_may_be_any_argument(
    server: Server, files: Path, labels: list[str]
) -> None:
    first, second = files / "three.idx", files / "three.json"
    expected = [f"{file}  {label}" for file in (first, second) for label in labels]
    for words in ((server.uri, first, second), (first, server.uri, second), (first, second, "--service", server.uri)):
        assert run("score", *words).splitlines() == expected


def test_the_service_may_be_given_by_its_page_or_the_environment(
    server: Server, files: Path, labels: list[str]
) -> None:
    for address in (server.url("/"), server.url("")):
        assert run("score", files / "three.idx", "--service", address).splitlines() == labels
    assert run("score", files / "three.idx", MNISTLIB_SERVICE=server.uri).splitlines() == labels


def test_proba_prints_the_probability_of_each_label(
    server: Server, files: Path, digits: Dataset, digits_model: SavedModel, labels: list[str]
) -> None:
    sure = digits_model.predict_proba(digits.test.images[:3]).max(axis=1)
    lines = run("score", files / "three.idx", server.uri, "--proba").splitlines()
    assert lines == [f"{label}  {value:.4f}" for label, value in zip(labels, sure, strict=True)]


def test_json_is_one_object_with_a_result_for_each_file(server: Server, files: Path, digits_model: SavedModel) -> None:
    names = [str(files / "three.idx"), str(files / "one.png")]
    results = json.loads(run("score", *names, server.uri, "--json"))["results"]
    assert [result["file"] for result in results] == names
    assert [set(result) for result in results] == [{"file", "labels"}] * 2
    (result,) = json.loads(run("score", names[0], server.uri, "--json", "--proba"))["results"]
    assert np.shape(result["probabilities"]) == (3, 10)
    assert result["classes"] == digits_model.classifier.classes_.tolist()


@pytest.fixture
def web(files: Path) -> Iterator[str]:
    """The address of the files, on a web server."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(files))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_a_file_may_be_on_the_web(server: Server, web: str, labels: list[str]) -> None:
    assert run("score", f"{web}/three.idx.gz", server.uri).splitlines() == labels
    line = run("score", f"{web}/nosuch", server.uri, status=1)
    assert f"cannot download {web}/nosuch: 404" in line


def test_a_service_without_idx_support_gets_json(files: Path, digits: Dataset, digits_model: SavedModel) -> None:
    # Like a cluster's service: no /health, and the entry script at /score.
    from http.server import BaseHTTPRequestHandler

    class Cluster(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
            body = json.dumps(digits_model.classifier.predict(rows).tolist()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{httpd.server_address[1]}/score"
        answers = [run("score", files / name, address).split() for name in ("three.idx.gz", "three.json")]
        line = run("score", files / "three.idx", address, "--proba", status=1)
        httpd.shutdown()
        thread.join()
    assert answers == [[str(label) for label in digits_model.predict(digits.test.images[:3])]] * 2
    assert "returns labels only" in line


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("noise", "answers 400: the body is not one IDX array"),
        ("large.idx", "answers 422: the IDX array is of shape (2, 28, 28), expected (n, 8, 8)"),
        ("nosuch.idx", "No such file"),
        (".", "Is a directory"),
    ],
)
def test_the_error_for_a_bad_file_is_one_line_with_its_name(server: Server, files: Path, name: str, said: str) -> None:
    line = run("score", files / "three.idx", files / name, server.uri, status=1)
    assert said in line
    assert str(files / name) in line


def test_the_error_for_an_unreachable_service_names_the_command_to_start_one(files: Path) -> None:
    line = run("score", files / "three.idx", "http://127.0.0.1:9/score", status=1)
    assert "cannot reach http://127.0.0.1:9/score" in line
    assert "mnistlib serve" in line
    assert "no service 'nosuch'" in run("score", files / "three.idx", "--service", "nosuch", status=1)


def test_score_needs_exactly_one_service_and_a_file(server: Server, files: Path) -> None:
    assert "one service" in run("score", files / "three.idx", server.uri, "--service", "digits", status=1)
    assert "one service" in run("score", files / "three.idx", server.uri, "http://127.0.0.1:9/score", status=1)
    assert "name an IDX (plain or gzip), PNG or JSON file" in run("score", server.uri, status=1)


@needs_server
def test_the_token_comes_from_the_option_or_the_environment(
    files: Path, runs_folder: Path, tmp_path: Path, labels: list[str]
) -> None:
    with serving(tmp_path, "digits", "--runs", runs_folder, "--token", "seçret") as server:
        assert run("score", files / "three.idx", server.uri, "--token", "seçret").splitlines() == labels
        assert run("score", files / "three.idx", server.uri, MNISTLIB_TOKEN="seçret").splitlines() == labels
        assert "answers 401" in run("score", files / "three.idx", server.uri, "--token", "wrong", status=1)
        assert "answers 401" in run("score", files / "three.idx", server.uri, status=1)


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


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_an_invalid_port_is_wrong_usage(port: str) -> None:
    assert "expected a number from 0 to 65535" in run("serve", "m", "--port", port, status=2)


@pytest.mark.parametrize("words", [("serve",), ("score",), ("deploy",), ("services",), ("services", "delete")])
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    assert run(*words, "--help").startswith("usage: ")
