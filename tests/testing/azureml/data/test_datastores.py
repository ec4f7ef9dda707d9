"""Datastores through azure-ai-ml."""

from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")


pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_datastores_and_their_keys(client: Any) -> None:
    assert [store.name for store in client.datastores.list()] == ["workspaceblobstore", "workspaceartifactstore"]
    assert client.datastores.get_default(include_secrets=True).credentials.account_key
