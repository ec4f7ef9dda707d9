"""Errors of bad requests, in one JSON schema: status, code, message and position."""

import gzip
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.png_files import empty_png, png
from tests.serving.servers import IDX, JSON, PNG, Server, idx, needs_server, refusal, serving, until

ROW = [0.0] * 64
WRONG_JSON: list[tuple[bytes, int, str, str | None]] = [
    (b"", 400, "json", "line 1, column 1"),
    (b"{", 400, "json", "line 1, column 2"),
    (b'{"data":\n[[1,]]}', 400, "json", "line 2, column 5"),
    (b"data=1", 400, "json", "line 1, column 1"),
    (b'{"data": "\xff"}', 400, "json", "byte 10"),
    (b"[" * 100_000, 400, "json", None),
    (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "json", None),
    (b'{"data": [[' + b"9" * 10_000 + b"]]}", 400, "json", None),
    (b"[]", 422, "type", "body"),
    (b"null", 422, "type", "body"),
    (b"7", 422, "type", "body"),
    (b"{}", 422, "missing", "data"),
    (b'{"Data": []}', 422, "missing", "data"),
    (b'{"data": null}', 422, "type", "data"),
    (b'{"data": {}}', 422, "type", "data"),
    (b'{"data": []}', 422, "empty", "data"),
    (b'{"data": [[]]}', 422, "shape", "data[0]"),
    (b'{"data": [1]}', 422, "type", "data[0]"),
    (b'{"data": [true]}', 422, "type", "data[0]"),
]
WRONG_ROWS: list[tuple[Any, str, str]] = [
    ([ROW, ROW[:63]], "ragged", "data[1]"),
    ([ROW[:63], ROW], "ragged", "data[0]"),
    ([ROW[:63], ROW[:63]], "shape", "data[0]"),
    ([ROW, [*ROW, 0]], "ragged", "data[1]"),
    ([ROW, None], "type", "data[1]"),
    ([ROW, "0" * 64], "type", "data[1]"),
    ([[ROW[:8]] * 8], "shape", "data[0]"),
    ([ROW, [[0.0]] * 64], "type", "data[1][0]"),
    ([[*ROW[:63], True]], "type", "data[0][63]"),
    ([[*ROW[:63], "0.5"]], "type", "data[0][63]"),
    ([[*ROW[:63], None]], "type", "data[0][63]"),
    ([[*ROW[:63], {}]], "type", "data[0][63]"),
    ([ROW, [*ROW[:17], float("nan"), *ROW[:46]]], "nan", "data[1][17]"),
    ([ROW, [*ROW[:17], float("inf"), *ROW[:46]]], "range", "data[1][17]"),
    ([ROW, [*ROW[:17], float("-inf"), *ROW[:46]]], "range", "data[1][17]"),
    ([ROW, [*ROW[:17], 1.0000001, *ROW[:46]]], "range", "data[1][17]"),
    ([ROW, [*ROW[:17], -1e-9, *ROW[:46]]], "range", "data[1][17]"),
    ([[*ROW[:63], 255]], "range", "data[0][63]"),
    ([[*ROW[:63], 2**70]], "range", "data[0][63]"),
    ([[*ROW[:63], 10**400]], "range", "data"),
]


@pytest.mark.parametrize(("body", "status", "code", "where"), WRONG_JSON, ids=range(len(WRONG_JSON)))
def test_invalid_json_or_rows_are_refused_with_the_position(
    server: Server, body: bytes, status: int, code: str, where: str | None
) -> None:
    assert refusal(server.post(body), status, code)["where"] == where


@pytest.mark.parametrize(("rows", "code", "where"), WRONG_ROWS, ids=range(len(WRONG_ROWS)))
def test_an_invalid_row_is_refused_with_the_position(server: Server, rows: Any, code: str, where: str) -> None:
    assert refusal(server.post({"data": rows}), 422, code)["where"] == where


def test_a_number_beyond_the_range_of_floats_is_refused(server: Server) -> None:
    body = json.dumps({"data": [ROW]}).replace("[[0.0", "[[1e400").encode()
    assert refusal(server.post(body), 422, "range")["where"] == "data[0][0]"


def test_the_error_for_pixels_from_0_to_255_gives_the_remedy(server: Server) -> None:
    assert "divided by 255" in refusal(server.post({"data": [[255.0] * 64]}), 422, "range")["message"]


def test_infinity_is_refused_although_the_range_is_unlimited(server_of: Callable[[str], Server]) -> None:
    iris = server_of("iris")
    assert refusal(iris.post({"data": [[1, 2, float("inf"), 4]]}), 422, "range")["where"] == "data[0][2]"
    assert refusal(iris.post({"data": [[1, 2, 3, float("nan")]]}), 422, "nan")["where"] == "data[0][3]"


@pytest.mark.parametrize(
    "body", [b'\xef\xbb\xbf{"data": [%s]}', b'{"data": [[7]], "data": [%s]}', b' {"x": {}, "data": [%s]}\n']
)
def test_a_byte_order_mark_repeated_keys_and_extra_keys_are_accepted(server: Server, body: bytes) -> None:
    assert server.post(body % json.dumps(ROW).encode()).ok


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "idx"),
        (b"not IDX", 400, "idx"),
        (idx(np.zeros((2, 8, 8), np.uint8))[:-1], 400, "idx"),
        (idx(np.zeros((2, 8, 8), np.uint8)) + b"\0", 400, "idx"),
        (gzip.compress(idx(np.zeros((2, 8, 8), np.uint8)))[:-9], 400, "idx"),
        (gzip.compress(b"not IDX"), 400, "idx"),
        (b"\x1f\x8b", 400, "idx"),
        (idx(np.zeros((2, 8, 8), np.float64)), 422, "type"),
        (idx(np.zeros((2, 8, 8), np.int8)), 422, "type"),
        (idx(np.zeros((2, 28, 28), np.uint8)), 422, "shape"),
        (idx(np.zeros((2, 8, 8, 1), np.uint8)), 422, "shape"),
        (idx(np.zeros(64, np.uint8)), 422, "shape"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 8, 8), 413, "size"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), 400, "idx"),
    ],
    ids=range(14),
)
def test_bytes_other_than_images_of_the_models_size_are_refused(
    server: Server, body: bytes, status: int, code: str
) -> None:
    refusal(server.post(body, IDX), status, code)


GOOD_PNG = png(np.pad(np.arange(36, dtype=np.uint8).reshape(6, 6), 1))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "png"),
        (b"GIF89a", 400, "png"),
        (b"\x89PNG\r\n\x1a\n", 400, "png"),
        (GOOD_PNG[:40], 400, "png"),
        (GOOD_PNG[:-32], 400, "png"),
        (GOOD_PNG[:45] + b"\xff" * 8 + GOOD_PNG[53:], 400, "png"),
        (empty_png(0, 7), 400, "png"),
        (empty_png(8, 8), 422, "empty"),
        (png(np.full((8, 8), 255, np.uint8)), 422, "empty"),
        (png(np.full((8, 8, 4), 255, np.uint8)), 422, "empty"),
        (png(np.zeros((8, 8, 4), np.uint8)), 422, "empty"),
        (empty_png(4001, 4001), 413, "size"),
        (empty_png(100_000, 100_000 // 64), 413, "size"),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("path", ["/score", "/look"])
def test_an_unreadable_picture_is_refused(server: Server, path: str, body: bytes, status: int, code: str) -> None:
    refusal(server.post(body, PNG, path=path), status, code)


@pytest.mark.parametrize(("kind", "body"), [(IDX, idx(np.zeros((1, 2, 2), np.uint8))), (PNG, GOOD_PNG)])
def test_images_are_refused_by_a_model_without_images(
    server_of: Callable[[str], Server], kind: str, body: bytes
) -> None:
    assert "takes no images" in refusal(server_of("iris").post(body, kind), 422, "shape")["message"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/x-www-form-urlencoded", "image/jpeg", "multipart/form-data"]
)
def test_the_error_for_an_unsupported_content_type_lists_the_supported_ones(server: Server, kind: str) -> None:
    message = refusal(server.post(b"{}", kind), 415, "media_type")["message"]
    assert JSON in message
    refusal(server.post(b"{}", kind, path="/look"), 415, "media_type")


def test_the_look_path_accepts_pictures_only(server: Server) -> None:
    refusal(server.post({"data": [ROW]}, path="/look"), 415, "media_type")


def test_a_content_encoding_is_refused(server: Server) -> None:
    packed = gzip.compress(json.dumps({"data": [ROW]}).encode())
    assert "gzip" in refusal(server.post(packed, headers={"Content-Encoding": "gzip"}), 415, "encoding")["message"]
    assert server.post({"data": [ROW]}, headers={"Content-Encoding": "identity"}).ok


@pytest.mark.parametrize("query", ["proba=2", "proba=", "proba=true", "proba=1&proba=0", "proba=%ff", "proba=%00"])
def test_an_invalid_query_is_refused(server: Server, query: str) -> None:
    assert refusal(server.post({"data": [ROW]}, path=f"/score?{query}"), 422, "query")["where"] == "proba"


@pytest.mark.parametrize("path", ["/nosuch", "/score/", "//score", "/../etc/passwd", "/score%00", "/%ff%0a", "/SCORE"])
def test_an_unknown_path_is_refused_and_not_redirected(server: Server, path: str) -> None:
    refusal(server.post(b"", path=path, allow_redirects=False), 404, "path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/score", "POST"), ("PUT", "/score", "POST"), ("POST", "/health", "GET"), ("TRACE", "/", "GET")],
)
def test_the_error_for_a_wrong_method_has_the_allowed_one(server: Server, method: str, path: str, allowed: str) -> None:
    answer = server.session.request(method, server.url(path), timeout=30)
    refusal(answer, 405, "method")
    assert allowed in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("host", ["[", "[::1", "a b", ""])
def test_an_invalid_host_header_has_no_effect(server: Server, host: str) -> None:
    refusal(server.post(b"{", headers={"Host": host}), 400, "json")
    refusal(server.post(b"", path="/nosuch", headers={"Host": host}), 404, "path")


def test_a_path_can_not_forge_a_line_of_the_log(server: Server) -> None:
    server.post(b"", path="/score%0amnistlib: error: forged")
    server.post(b"{", path="/score")
    noted = [line for line in server.log.read_text().splitlines() if "forged" in line]
    assert noted
    assert not any(line.startswith("mnistlib") for line in noted)


@needs_server
def test_a_failure_of_the_model_is_500_with_the_reason_in_the_log_only(odd_models: Any, tmp_path: Path) -> None:
    with failing(odd_models, tmp_path) as server:
        answer = server.post({"data": [[0.7]]})
        assert refusal(answer, 500, "internal")["where"] is None
        assert "secret" not in answer.text
        assert "RuntimeError" not in answer.text
        until(lambda: "RuntimeError: a secret of process" in server.log.read_text(), "a word in the log")
        assert server.post({"data": [[0.2]]}).json() == [0]


def failing(odd_models: Any, folder: Path) -> Any:
    import joblib

    joblib.dump(odd_models.Failing(), folder / "failing.joblib")
    return serving(folder, folder / "failing.joblib", "--trust")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.just("data"), inner, max_size=3),
    max_leaves=20,
)
ROWS = st.lists(
    st.lists(st.floats() | st.integers(0, 1) | st.none() | st.text(max_size=1), min_size=63, max_size=65), max_size=3
)


@given(content=JSON_VALUES | st.fixed_dictionaries({"data": JSON_VALUES | ROWS}))
def test_any_json_is_scored_or_refused(server: Server, content: Any) -> None:
    _is_scored_or_refused(server.post(content))


@given(body=st.binary(max_size=2000), kind=st.sampled_from([JSON, IDX, PNG]))
def test_any_bytes_are_scored_or_refused(server: Server, body: bytes, kind: str) -> None:
    _is_scored_or_refused(server.post(body, kind))


def _damaged() -> Iterator[tuple[bytes, str]]:
    yield json.dumps({"data": [ROW]}).encode(), JSON
    yield idx(np.zeros((2, 8, 8), np.uint8)), IDX
    yield gzip.compress(idx(np.zeros((2, 8, 8), np.uint8))), IDX
    yield GOOD_PNG, PNG


@given(st.data())
def test_a_body_with_any_changed_byte_is_scored_or_refused(server: Server, data: st.DataObject) -> None:
    body, kind = data.draw(st.sampled_from(list(_damaged())))
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([data.draw(st.integers(0, 255))]) + body[place + 1 :]
    _is_scored_or_refused(server.post(changed, kind))
    if kind == PNG:
        _is_scored_or_refused(server.post(changed, kind, path="/look"))


def _is_scored_or_refused(answer: Any) -> None:
    assert answer.status_code in (200, 400, 413, 422)
    if answer.status_code != 200:
        refusal(answer, answer.status_code, answer.json()["error"]["code"])
