"""The workspace through azure-ai-ml."""

from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")


pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_workspace_says_where_mlflow_is(client: Any) -> None:
    workspace = client.workspaces.get(client.workspace_name)
    assert workspace.mlflow_tracking_uri.startswith("azureml://eastus.api.azureml.ms/mlflow/")
