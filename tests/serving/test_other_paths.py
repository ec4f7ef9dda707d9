"""Other paths of a service: health, metrics, description, model facts, report and page."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mnistlib
from mnistlib import Dataset
from tests.serving.png_files import png
from tests.serving.servers import IDX, JSON, Server, idx, needs_server, refusal

PATHS = {"/", "/score", "/look", "/model", "/report", "/health", "/metrics", "/swagger.json"}


def test_health_names_the_model_and_the_server(server: Server) -> None:
    answer = server.get("/health")
    assert answer.headers["Content-Type"] == JSON
    assert answer.json() == {"status": "ok", "model": "digits:2", "server": f"mnistlib {mnistlib.__version__}"}
    assert "server" not in answer.headers  # the HTTP server and its version are not disclosed


def test_metrics_count_requests_by_path_and_status(server: Server) -> None:
    def counts() -> list[float]:
        ways = (("/score", "200"), ("/score", "422"), ("/health", "200"), ("other", "404"))
        return [server.count(path=path, status=status) for path, status in ways]

    before = counts()
    server.post({"data": [[0] * 64]})
    server.post({"data": []})
    server.get("/health")
    for path in ("/a", "/b", "/score/x"):
        server.get(path)
    assert [after - one for after, one in zip(counts(), before, strict=True)] == [1, 1, 1, 3]


def test_metrics_count_rows_and_time(server: Server, digits: Dataset) -> None:
    names = ("mnistlib_rows_scored_total", "mnistlib_batch_requests_count")
    before = [server.count(name) for name in names]
    seconds = server.count("mnistlib_request_seconds_count", path="/score")
    server.post(idx(digits.test.images[:100]), IDX)
    assert [server.count(name) for name in names] == [before[0] + 100, before[1] + 1]
    assert server.count("mnistlib_request_seconds_count", path="/score") == seconds + 1
    assert server.count("mnistlib_requests_in_progress") == 1  # the request for the metrics itself


def test_metrics_are_prometheus_text_with_a_fixed_set_of_paths(server: Server) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    for number in range(50):
        server.get(f"/{number}")
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    assert {family.name.partition("_")[0] for family in families} == {"mnistlib"}
    paths = {sample.labels.get("path", "/") for family in families for sample in family.samples}
    assert paths <= PATHS | {"other"}


def test_the_openapi_description_has_every_path_and_every_error(server: Server) -> None:
    content = server.get("/swagger.json").json()
    assert content["openapi"].startswith("3.1")
    assert set(content["paths"]) == PATHS
    score = content["paths"]["/score"]["post"]
    assert set(score["requestBody"]["content"]) == {JSON, IDX, "image/png"}
    assert set(score["responses"]) == {"200", "400", "401", "408", "413", "415", "422", "500", "503"}
    row = score["requestBody"]["content"][JSON]["schema"]["properties"]["data"]["items"]
    assert (row["minItems"], row["maxItems"], row["items"]["maximum"]) == (64, 64, 1)


def test_the_openapi_description_has_no_pictures_for_a_model_without_images(
    server_of: Callable[[str], Server],
) -> None:
    paths = server_of("iris").get("/swagger.json").json()["paths"]
    assert set(paths["/score"]["post"]["requestBody"]["content"]) == {JSON}
    assert "/look" not in paths


def test_the_page_may_load_nothing_from_elsewhere(server: Server) -> None:
    answer = server.get("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert not any("http" in places or "*" in places for places in policy.values())
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_model_path_returns_the_facts_for_the_page(server: Server, server_of: Callable[[str], Server]) -> None:
    facts = server.get("/model").json()
    assert (facts["model"], facts["shape"], facts["trained_on"]) == ("digits:2", [8, 8], "digits")
    assert facts["classes"] == list("0123456789")
    assert len(facts["weights"]) == 10
    assert 0.8 < facts["metrics"]["accuracy"] <= 1
    assert np.shape(server_of("iris").get("/model").json()["weights"]) == (3, 4)
    other = server_of("svc").get("/model").json()
    assert (other["shape"], other["weights"], other["report"]) == (None, None, False)


def test_report_is_that_of_the_run_or_404(server: Server, server_of: Callable[[str], Server]) -> None:
    answer = server.get("/report")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert server.get("/model").json()["run_id"] in answer.text
    refusal(server_of("svc").get("/report"), 404, "report")


def test_a_report_opened_by_itself_may_load_and_run_nothing(server: Server) -> None:
    policy = server.get("/report").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")


@needs_server
def test_a_report_is_created_once_for_many_requests() -> None:
    import asyncio

    from mnistlib.serving.app import Report

    made: list[int] = []

    def make() -> str:
        made.append(1)
        return "a report"

    async def ask_three_times() -> list[str]:
        report = Report(make)
        return [*await asyncio.gather(report.text(), report.text(), report.text())]

    assert asyncio.run(ask_three_times()) == ["a report"] * 3
    assert made == [1]


def test_a_head_request_gets_no_body(server: Server) -> None:
    answer = server.session.head(server.url("/health"), timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")


REQUESTS = 3000
SOAK = 100_000


def soak(server: Server, digits: Dataset, count: int) -> int:
    """Send requests of all kinds; return the growth of the server's memory since warm-up, in bytes."""
    from tests.serving.servers import PNG, digit_picture

    images = digits.test.images
    kinds: list[tuple[bytes, str, str]] = [
        (b'{"data": [[%s]]}' % b",".join([b"0.25"] * 64), JSON, "/score"),
        (b'{"data": [[%s]]}' % b",".join([b"0.25"] * 64), JSON, "/score?proba=1"),
        (idx(images[:100]), IDX, "/score"),
        (idx(images), IDX, "/score?proba=1"),
        (png(digit_picture(images[0], factor=3, margin=5)), PNG, "/look"),
        (b'{"data": [[1, 2]]}', JSON, "/score"),
        (b"{", JSON, "/score"),
        (b"noise", IDX, "/score"),
        (b"noise", PNG, "/score"),
        (b"", "text/plain", "/score"),
        (b"", JSON, "/nosuch"),
    ]

    def ask(times: int) -> None:
        for number in range(times):
            body, kind, path = kinds[number % len(kinds)]
            server.post(body, kind, path=path if path != "/nosuch" else f"/{number}")

    ask(count // 3)
    server.get("/metrics")
    before = server.memory()
    ask(count)
    return server.memory() - before


def test_thousands_of_requests_leak_no_memory(server: Server, digits: Dataset) -> None:
    assert soak(server, digits, REQUESTS) < 3 * 2**20


@pytest.mark.slow
@needs_server
def test_an_hour_of_requests_leaks_no_memory(runs_folder: Path, tmp_path: Path, digits: Dataset) -> None:
    from tests.serving.servers import serving

    with serving(tmp_path, "digits", "--runs", runs_folder) as server:
        assert soak(server, digits, SOAK) < 5 * 2**20
