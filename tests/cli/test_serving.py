"""Command serve; tests/serving tests its server."""

import pytest

from tests.serving.servers import run


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_an_invalid_port_is_wrong_usage(port: str) -> None:
    assert "expected a number from 0 to 65535" in run("serve", "m", "--port", port, status=2)
