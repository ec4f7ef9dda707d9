"""Request bodies that are too large, too slow, highly compressed or incomplete; over plain sockets."""

import gzip
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.serving.png_files import empty_png, png
from tests.serving.servers import IDX, JSON, PNG, Server, digit_picture, idx, needs_server, refusal, serving, until
from tests.serving.wire import GOOD, answer_of, head

pytestmark = needs_server

MEBI = 2**20
LIMIT = 100_000

#: A server with a short timeout, for which the command line has no option.
IMPATIENT = """
import sys
from mnistlib import load_model
from mnistlib.cli.output import print_json
from mnistlib.serving.app import Limits, ScoringApp
from mnistlib.serving.model import ServedModel
from mnistlib.serving.server import address_of, listen, serve
app = ScoringApp(ServedModel(load_model(sys.argv[1], trust=True), "m"), limits=Limits(patience=0.3))
listening = listen("127.0.0.1", 0)
serve(app, listening, ready=lambda: print_json(scoring_uri=address_of(listening) + "/score"))
"""


@pytest.fixture(scope="module")
def small(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that accepts small bodies only."""
    with serving(
        tmp_path_factory.mktemp("small"), "digits", "--runs", runs_folder, "--max-body-bytes", LIMIT
    ) as server:
        yield server


def test_a_too_large_content_length_is_refused_before_the_body_is_sent(small: Server) -> None:
    with small.connect() as connection:
        connection.sendall(head(LIMIT + 1))
        status, headers, content = answer_of(connection)
        assert (status, content["error"]["code"]) == (413, "size")
        assert "100,000" in content["error"]["message"]
        assert headers["connection"] == "close"


def test_a_client_that_expects_100_continue_gets_413(small: Server) -> None:
    with small.connect() as connection:
        connection.sendall(head(LIMIT + 1, JSON, "Expect: 100-continue"))
        assert answer_of(connection)[0] == 413


def test_a_chunked_body_is_refused_once_it_exceeds_the_limit(small: Server) -> None:
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    with small.connect() as connection:
        connection.sendall(head(None, JSON, "Transfer-Encoding: chunked") + chunk * 4)
        status, _, content = answer_of(connection)
        assert (status, content["error"]["code"]) == (413, "size")


def test_a_chunked_body_within_the_limit_is_scored(small: Server) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, GOOD[at : at + 1]) for at in range(len(GOOD)))
    with small.connect() as connection:
        connection.sendall(head(None, JSON, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
        assert answer_of(connection)[0] == 200


def test_bodies_beyond_the_memory_budget_are_refused_until_others_end(small: Server) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(small.connect()) for _ in range(6)]
        for connection in connections:  # each body incomplete by one part
            connection.sendall(head(LIMIT) + b" " * (LIMIT - 1))
        refused, _, _ = select.select(connections, [], [], 60)
        status, headers, content = answer_of(refused[0])
        assert (status, content["error"]["code"]) == (503, "busy")
        assert int(headers["retry-after"]) >= 1
    until(lambda: small.post(GOOD.ljust(LIMIT)).ok, "room for a body")


@pytest.mark.parametrize("over", [1, 50 * MEBI])
def test_a_client_that_sends_the_whole_body_first_gets_413(small: Server, over: int) -> None:
    for _ in range(3):
        refusal(small.post(b" " * (LIMIT + over)), 413, "size")


def test_a_body_of_exactly_the_maximum_size_is_scored(small: Server) -> None:
    assert small.post(GOOD.ljust(LIMIT)).ok


def test_the_size_limit_applies_to_decompressed_pixels(small: Server) -> None:
    images = np.zeros((LIMIT // 64 + 1, 8, 8), np.uint8)
    packed = gzip.compress(idx(images))
    assert len(packed) < LIMIT / 100
    refusal(small.post(packed, IDX), 413, "size")
    assert len(small.post(gzip.compress(idx(images[1:])), IDX).json()) == len(images) - 1


@pytest.mark.parametrize("claimed", [1, 2**24])
def test_a_gzip_bomb_is_refused_without_allocating_its_memory(small: Server, claimed: int) -> None:
    bomb = gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", claimed, 8, 8) + bytes(400 * MEBI), 6)[: LIMIT * 8]
    before = small.peak()
    assert small.post(bomb[:LIMIT], IDX).status_code in (400, 413)
    assert small.peak() - before < 32 * MEBI


def test_a_large_picture_needs_little_more_memory_than_its_pixels(small: Server) -> None:
    # The maximum number of pixels, in a file of a few kilobytes.
    picture = empty_png(4000, 4000, 8)
    assert len(picture) < LIMIT
    before = small.peak()
    refusal(small.post(picture, PNG), 422, "empty")
    assert small.peak() - before < 200 * MEBI


def test_many_large_pictures_are_decoded_a_few_at_a_time(small: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    picture = empty_png(4000, 4000, 8)

    def post(_: int) -> int:
        import requests

        return requests.post(small.uri, data=picture, headers={"Content-Type": PNG}, timeout=60).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(post, range(8))) == {422}
    assert small.peak() < 500 * MEBI


@pytest.fixture(scope="module")
def impatient(model_file: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a body timeout of 0.3 seconds."""
    import sys

    with serving(
        tmp_path_factory.mktemp("impatient"), run=[sys.executable, "-c", IMPATIENT, str(model_file("iris"))]
    ) as server:
        yield server


@pytest.mark.parametrize("sent", [b"", b'{"data"'])
def test_an_incomplete_body_is_refused_after_the_timeout(impatient: Server, sent: bytes) -> None:
    with impatient.connect() as connection:
        connection.sendall(head(100) + sent)
        status, headers, content = answer_of(connection)
        assert (status, content["error"]["code"]) == (408, "timeout")
        assert headers["connection"] == "close"
        assert connection.recv(1) == b""


def test_a_slow_body_is_refused_after_the_timeout(impatient: Server) -> None:
    with impatient.connect() as connection:
        connection.sendall(head(10**6))
        connection.settimeout(0.05)
        received = b""
        while not received:  # until the server's timeout
            connection.sendall(b" ")
            try:
                received = connection.recv(100)
            except TimeoutError:
                continue
        assert received.startswith(b"HTTP/1.1 408")


def test_clients_that_disconnect_in_mid_body_cause_no_failure(server: Server) -> None:
    gone = server.count(path="/score", status="499")
    for sent in (b"", GOOD[:50], b"\xff" * 50):
        with server.connect() as connection:
            connection.sendall(head(len(GOOD)) + sent)
        with server.connect() as connection:
            # Closed with a reset, like a client that was killed.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(head(len(GOOD)) + sent)
    assert server.post(GOOD).ok
    until(lambda: server.count(path="/score", status="499") == gone + 6, "the count of those who left")
    assert server.count(path="/score", status="500") == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /score\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        head("-1"),
        head("1" + "0" * 5000),
        head(5, JSON, "Transfer-Encoding: chunked") + b"x",
        head(None, JSON, "Transfer-Encoding: chunked") + b"nonsense\r\n",
        b"A" * 200_000,
    ],
    ids=range(9),
)
def test_invalid_http_is_refused_and_other_requests_work(server: Server, sent: bytes) -> None:
    with server.connect() as connection:
        try:
            connection.sendall(sent)
            received = connection.recv(1000)
        except ConnectionResetError:
            received = b""
    assert received == b"" or received.startswith(b"HTTP/1.1 4")
    assert b"Traceback" not in received
    assert server.post(GOOD).ok


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall((head(len(GOOD)) + GOOD) + (head(1) + b"{") + (head(len(GOOD)) + GOOD))
        stream = b""
        while stream.count(b"HTTP/1.1 ") < 3 or not stream.endswith(b"]"):
            stream += connection.recv(10_000)
    assert [part[:3] for part in stream.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"200"]


def test_a_large_picture_gives_the_pixels_of_the_small_one(server: Server) -> None:
    from mnistlib import load_dataset

    digit = load_dataset("digits").test.images[0]
    large = png(digit_picture(digit, factor=300, margin=400))
    assert server.post(large, PNG).json() == server.post(png(digit_picture(digit)), PNG).json()
