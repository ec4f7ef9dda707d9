"""The workspace's key vault."""

from typing import Any

import pytest

pytest.importorskip("azureml.core")


pytestmark = pytest.mark.filterwarnings("ignore")


def test_secrets_are_kept(workspace: Any) -> None:
    vault = workspace.get_default_keyvault()
    vault.set_secret("name", "value")
    assert vault.get_secret("name") == "value"
    assert [secret["name"] for secret in vault.list_secrets()] == ["name"]
    vault.delete_secret("name")
    assert vault.list_secrets() == []
