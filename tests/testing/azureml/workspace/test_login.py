"""Who may come in through azure-ai-ml."""

from typing import Any

import pytest

pytest.importorskip("azure.ai.ml")
pytest.importorskip("azure.identity")

from azure.ai.ml import MLClient
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from mnistlib.testing.azureml import AzureMLEmulator
from mnistlib.testing.azureml.tokens import AccessToken

pytestmark = pytest.mark.filterwarnings("ignore")


def names_of_clusters(service: AzureMLEmulator, credential: Any) -> list[str]:
    client = MLClient.from_config(credential, path=str(service.config_path))
    return [compute.name for compute in client.compute.list()]


def test_a_service_principal_comes_in(service: AzureMLEmulator) -> None:
    known = service.environment
    credential = ClientSecretCredential(
        known["AZURE_TENANT_ID"], known["AZURE_CLIENT_ID"], known["AZURE_CLIENT_SECRET"]
    )
    assert isinstance(names_of_clusters(service, credential), list)


def test_the_default_credential_finds_the_service_principal(service: AzureMLEmulator) -> None:
    assert isinstance(names_of_clusters(service, DefaultAzureCredential()), list)


def test_the_services_own_credential_comes_in(service: AzureMLEmulator) -> None:
    assert isinstance(names_of_clusters(service, service.credential), list)


def test_a_wrong_secret_is_refused(service: AzureMLEmulator) -> None:
    known = service.environment
    credential = ClientSecretCredential(known["AZURE_TENANT_ID"], known["AZURE_CLIENT_ID"], "guessed")
    with pytest.raises(ClientAuthenticationError, match="Invalid client secret"):
        names_of_clusters(service, credential)


def test_a_foreign_token_is_refused(service: AzureMLEmulator) -> None:
    class Foreign:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken("a.b.c", 1 << 40)

    with pytest.raises(ClientAuthenticationError, match="missing, foreign or expired"):
        names_of_clusters(service, Foreign())
