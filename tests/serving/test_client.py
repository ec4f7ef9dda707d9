"""The client of a scoring service, over the real one."""

from pathlib import Path

import numpy as np
import pytest
import requests

from mnistlib import Dataset
from mnistlib.models import client as scoring
from mnistlib.models.client import ScoringClient
from tests.serving.servers import Server


@pytest.mark.parametrize("takes_idx", [True, False])
def test_many_images_are_sent_in_requests_that_a_service_takes(
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


def test_a_token_is_sent_whatever_the_netrc_file_has_for_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with ScoringClient("http://service.example/score", token="secret") as client:
        request = client._session.prepare_request(requests.Request("POST", client.uri))
    assert request.headers["Authorization"] == "Bearer secret"
