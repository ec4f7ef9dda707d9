"""Client of a scoring service, with real services."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import requests

from mnistlib import Dataset
from mnistlib.errors import ScoringError
from mnistlib.models import client as scoring
from mnistlib.models.client import JSON, ScoringClient
from tests.serving.busy import Busy
from tests.serving.servers import Server, until

Blocking = Callable[..., AbstractContextManager[Busy]]


@pytest.mark.parametrize("takes_idx", [True, False])
def test_many_images_are_sent_in_several_requests(
    server: Server, digits: Dataset, monkeypatch: pytest.MonkeyPatch, takes_idx: bool
) -> None:
    images = digits.test.images[:25]
    monkeypatch.setattr(scoring, "_MOST_IDX_BYTES", 10 * 64)
    monkeypatch.setattr(scoring, "_MOST_BYTES", 10 * (64 * 20 + 1))
    with ScoringClient(server.uri, takes_idx=takes_idx) as client:
        whole = client.predict(images[:10])
        before = server.count(path="/score", status="200")
        labels = client.predict(images)
        assert server.count(path="/score", status="200") == before + 3
    assert labels.shape == (25,)
    np.testing.assert_array_equal(labels[:10], whole)


def test_a_token_has_priority_over_the_netrc_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with ScoringClient("http://service.example/score", token="secret") as client:
        request = client._session.prepare_request(requests.Request("POST", client.uri))
    assert request.headers["Authorization"] == "Bearer secret"


def test_the_client_retries_after_503(blocking: Blocking) -> None:
    with blocking("--max-waiting", 1) as busy:
        busy.ask()
        busy.wait_for_the_call(1)
        busy.ask_and_wait_until_it_is_in_line()
        answer: list[Any] = []
        with ScoringClient(busy.server.uri) as client:
            asking = Thread(target=lambda: answer.append(client.ask(b'{"data": [[0, 1]]}', JSON)))
            asking.start()
            until(lambda: busy.server.count(path="/score", status="503") == 1, "a refusal")
            busy.let_go()
            asking.join(30)
        assert answer == [[1]]
        assert busy.answers() == [(200, [1])] * 2


@pytest.mark.slow
def test_the_error_after_all_retries_has_the_services_message(blocking: Blocking) -> None:
    with blocking("--max-waiting", 1) as busy:
        busy.ask()
        busy.wait_for_the_call(1)
        busy.ask_and_wait_until_it_is_in_line()
        with (
            ScoringClient(busy.server.uri) as client,
            pytest.raises(ScoringError, match="answers 503: 1 requests are waiting"),
        ):
            client.ask(b'{"data": [[0, 1]]}', JSON)
