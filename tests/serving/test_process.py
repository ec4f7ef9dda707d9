"""Process of ``mnistlib serve``: socket, token and shutdown."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.serving.busy import Busy
from tests.serving.servers import Server, command, environment, needs_server, refusal, serving, until
from tests.serving.wire import GOOD, answer_of, head

pytestmark = needs_server

TOKEN = "a-token-with-ümlaut"
ROW = {"data": [[0.0] * 64]}


def refused(*arguments: object, status: int = 1, **variables: str) -> str:
    """Return the one-line error of a server that does not start."""
    words = command("serve", *arguments)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment(**variables), check=False)
    assert (done.returncode, done.stdout) == (status, "")
    (line,) = done.stderr.splitlines()[-1:]
    assert line.startswith("mnistlib: error: ")
    assert "Traceback" not in done.stderr
    return line


def test_sigterm_finishes_open_requests_refuses_new_ones_and_exits_with_0(
    blocking: Callable[..., AbstractContextManager[Busy]],
) -> None:
    with blocking() as busy:
        busy.ask()
        busy.wait_for_the_call(1)
        busy.ask_and_wait_until_it_is_in_line()
        busy.server.process.send_signal(signal.SIGTERM)
        until(lambda: _is_closed(busy.server), "the end of listening")
        assert busy.server.process.poll() is None
        busy.let_go()
        assert busy.answers() == [(200, [1]), (200, [1])]
        assert busy.server.process.wait(30) == 0
        assert "Traceback" not in busy.server.log.read_text()


def _is_closed(server: Server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_waits_for_an_incomplete_body(tmp_path: Path, runs_folder: Path) -> None:
    with serving(tmp_path, "digits", "--runs", runs_folder) as server, server.connect() as connection:
        connection.sendall(head(len(GOOD)) + GOOD[:40])
        until(lambda: server.count("mnistlib_requests_in_progress") == 2, "a request in progress")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: _is_closed(server), "the end of listening")
        connection.sendall(GOOD[40:])
        assert answer_of(connection)[0] == 200
        assert server.process.wait(30) == 0


def test_a_stalled_body_does_not_block_the_shutdown(tmp_path: Path, runs_folder: Path) -> None:
    with serving(tmp_path, "digits", "--runs", runs_folder) as server, server.connect() as connection:
        connection.sendall(head(len(GOOD)) + GOOD[:40])
        until(lambda: server.count("mnistlib_requests_in_progress") == 2, "a request in progress")
        server.process.send_signal(signal.SIGTERM)
        # Well before the timeouts of bodies and of the shutdown.
        assert server.process.wait(15) == 0
        assert answer_of(connection)[0] == 408


def test_idle_connections_do_not_block_the_shutdown(tmp_path: Path, runs_folder: Path) -> None:
    with serving(tmp_path, "digits", "--runs", runs_folder) as server, server.connect() as silent:
        server.get("/health")
        assert server.end() == 0
        assert silent.recv(1) == b""


def test_ctrl_c_ends_the_server_like_any_command(tmp_path: Path, runs_folder: Path) -> None:
    with serving(tmp_path, "digits", "--runs", runs_folder) as server:
        assert server.end(signal.SIGINT) == 130
        assert server.log.read_text().splitlines()[-1] == "mnistlib: interrupted"


def test_text_output_has_the_address_of_the_page(runs_folder: Path) -> None:
    words = command("serve", "digits", "--runs", runs_folder, "--port", "0")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout
        line = process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0
    assert line.startswith("serving digits:2: draw on http://127.0.0.1:")


def test_json_output_has_the_addresses(server: Server) -> None:
    assert server.about["model"] == "digits:2"
    assert server.about["pid"] == server.process.pid
    assert server.uri.startswith("http://127.0.0.1:")
    assert server.about["page"] == server.url("/")


def test_the_error_for_a_used_port_is_one_line(runs_folder: Path, server: Server) -> None:
    port = server.address[1]
    line = refused("digits", "--runs", runs_folder, "--port", port)
    assert f"127.0.0.1 port {port}" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "203.0.113.1", "--no-auth"), "203.0.113.1"),
        (("--host", "0.0.0.0"), "--no-auth"),
        (("--host", "::"), "--token"),
        (("--host", ""), "--token"),
    ],
)
def test_the_error_for_a_bad_or_unprotected_host_is_one_line(
    runs_folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert said in refused("digits", "--runs", runs_folder, *arguments)


def test_an_empty_token_does_not_count_as_a_token(runs_folder: Path) -> None:
    assert "--token" in refused("digits", "--runs", runs_folder, "--host", "0.0.0.0", MNISTLIB_TOKEN="")
    assert "--token" in refused("digits", "--runs", runs_folder, "--host", "0.0.0.0", "--token", "")


def test_the_error_for_a_missing_model_is_one_line(runs_folder: Path) -> None:
    assert "is not a registered model, a file or a run" in refused("nosuch", "--runs", runs_folder)
    assert "it has 1, 2" in refused("digits:7", "--runs", runs_folder)


def test_a_pickle_of_unknown_origin_needs_trust(model_file: Callable[[str], Path]) -> None:
    assert "--trust" in refused(model_file("iris"))


def test_the_error_for_a_file_without_a_classifier_is_one_line(tmp_path: Path) -> None:
    import joblib

    joblib.dump([1, 2], tmp_path / "list.joblib")
    assert "expected a scikit-learn classifier" in refused(tmp_path / "list.joblib", "--trust")
    (tmp_path / "noise.joblib").write_bytes(b"noise")
    assert "can't be read as a model" in refused(tmp_path / "noise.joblib", "--trust")


@pytest.fixture(scope="module", params=["option", "variable"])
def guarded(
    request: pytest.FixtureRequest, runs_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server on all addresses that needs a token."""
    arguments = ["digits", "--runs", runs_folder, "--host", "0.0.0.0"]
    if request.param == "option":
        arguments += ["--token", TOKEN]
    variables = {"MNISTLIB_TOKEN": TOKEN} if request.param == "variable" else {}
    with serving(tmp_path_factory.mktemp("guarded"), *arguments, variables=variables) as server:
        # Its URI has the name of this machine; the tests use loopback.
        server.uri = f"http://127.0.0.1:{server.address[1]}/score"
        yield server


def bearer(token: str, scheme: str = "Bearer") -> dict[str, Any]:
    return {"Authorization": f"{scheme} {token}".encode()}


def test_requests_with_the_token_are_answered(guarded: Server) -> None:
    for scheme in ("Bearer", "bearer"):
        assert guarded.post(ROW, headers=bearer(TOKEN, scheme)).ok
    assert guarded.get("/metrics", headers=bearer(TOKEN)).ok


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "x"),
        bearer(""),
        bearer(TOKEN, "Basic"),
        {"Authorization": TOKEN.encode()},
        {"Authorization": "Bearer"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
    ids=range(9),
)
def test_requests_without_the_token_are_refused_except_on_open_paths(guarded: Server, headers: dict[str, Any]) -> None:
    for path in ("/score", "/look"):
        answer = guarded.post(ROW, path=path, headers=headers)
        refusal(answer, 401, "token")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/model", "/metrics", "/swagger.json", "/report", "/nosuch", "/health/", "//", "/score"):
        refusal(guarded.get(path, headers=headers), 401, "token")
    assert guarded.get("/health", headers=headers).ok
    assert guarded.get("/", headers=headers).ok


def test_the_token_is_neither_in_the_log_nor_in_the_metrics(guarded: Server) -> None:
    guarded.post(b"{", headers=bearer(TOKEN))
    guarded.post(ROW, headers=bearer(TOKEN + "x"))
    for text in (guarded.log.read_text(), guarded.get("/metrics", headers=bearer(TOKEN)).text):
        assert TOKEN not in text
        assert "token-with" not in text


def test_no_auth_switches_the_token_off(runs_folder: Path, tmp_path: Path) -> None:
    arguments = ["digits", "--runs", runs_folder, "--host", "0.0.0.0", "--no-auth"]
    with serving(tmp_path, *arguments, variables={"MNISTLIB_TOKEN": TOKEN}) as server:
        assert requests.post(f"http://127.0.0.1:{server.address[1]}/score", json=ROW, timeout=30).ok


def test_the_default_host_is_loopback(server: Server) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for host in others - {"127.0.0.1"}:
        if str(host).startswith("127."):
            continue
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((str(host), server.address[1]), timeout=5)


def test_a_server_needs_no_home_terminal_or_input(runs_folder: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "digits", "--runs", runs_folder, variables={"HOME": os.devnull}) as server:
        assert server.post(ROW).ok
