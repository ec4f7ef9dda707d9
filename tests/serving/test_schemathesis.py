"""What the service says of itself, held against what it does, by schemathesis; in a tox environment of its own."""

from typing import Any

import pytest

from tests.serving.servers import Server

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


@pytest.fixture
def description(server: Server) -> Any:
    return schemathesis.openapi.from_url(server.url("/swagger.json"))


schema = schemathesis.pytest.from_fixture("description")


@schema.parametrize()  # type: ignore[untyped-decorator] # it is not installed where types are checked
def test_every_path_does_what_the_description_says_to_whatever_is_sent(case: Any) -> None:
    case.call_and_validate()
