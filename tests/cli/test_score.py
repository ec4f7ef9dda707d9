"""Command score, against real services."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlib import Dataset
from mnistlib.models.artifact import SavedModel
from tests.serving.servers import Server, needs_server, run, serving


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


@pytest.fixture
def other_service() -> Iterator[tuple[str, list[Any], list[Any]]]:
    """Address of a service of another program, the bodies that it gets, and the answers that it gives, in order."""
    bodies: list[Any] = []
    answers: list[Any] = []

    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(answers.pop(0)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/score", bodies, answers
        httpd.shutdown()
        thread.join()


def test_a_service_without_idx_support_gets_json(
    files: Path, digits: Dataset, digits_model: SavedModel, other_service: tuple[str, list[Any], list[Any]]
) -> None:
    # Like a cluster's service: no /health, and the entry script at /score.
    address, bodies, answers = other_service
    expected = digits_model.predict(digits.test.images[:3])
    answers += [expected.tolist()] * 2
    for name in ("three.idx.gz", "three.json"):
        assert run("score", files / name, address).split() == [str(label) for label in expected]
        assert digits_model.classifier.predict(bodies.pop()["data"]).tolist() == expected.tolist()
    assert "returns labels only" in run("score", files / "three.idx", address, "--proba", status=1)


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


@needs_server
def test_a_picture_is_sent_to_another_service_as_a_row_of_mnists_size(
    files: Path, other_service: tuple[str, list[Any], list[Any]]
) -> None:
    address, bodies, answers = other_service
    answers.append([7])
    assert run("score", files / "one.png", address) == "7\n"
    (body,) = bodies
    assert np.shape(body["data"]) == (1, 784)
    assert 0 <= np.min(body["data"]) < np.max(body["data"]) <= 1


def test_an_answer_that_is_no_list_of_labels_is_quoted_with_the_file(
    files: Path, other_service: tuple[str, list[Any], list[Any]]
) -> None:
    address, _, answers = other_service
    answers.append("warming up")
    line = run("score", files / "three.json", address, status=1)
    assert f"{files / 'three.json'}: expected a list of labels from {address}, found: warming up" in line


def test_labels_in_an_object_are_printed(files: Path, other_service: tuple[str, list[Any], list[Any]]) -> None:
    address, _, answers = other_service
    answers.append({"labels": [3, 1, 4]})
    assert run("score", files / "three.json", address).split() == ["3", "1", "4"]
