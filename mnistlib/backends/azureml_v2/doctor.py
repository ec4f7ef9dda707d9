"""Readiness checks through azure-ai-ml."""

import logging
import os
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.doctor import Container, Sdk, steps_of
from mnistlib.backends.azure.management import ADDRESS
from mnistlib.backends.azureml_v2.client import open_client
from mnistlib.backends.checks import Package, Step


def steps(
    *,
    config: str | os.PathLike[str] | None = None,
    credential: Any = None,
    runs_folder: str | os.PathLike[str] | None = None,
) -> list[Step]:
    """Return the checks, in order; the options are those of :class:`~mnistlib.AzureMLv2Backend`."""
    return steps_of(AzureAiMl(credential), config=config, runs_folder=runs_folder)


class AzureAiMl(Sdk):
    """SDK interface of the checks through azure-ai-ml."""

    extra = "azureml-v2"
    packages = (
        Package(name="azure-ai-ml", at_least="1.35"),
        Package(name="azure-identity", at_least="1.17"),
        Package(name="pathspec", at_least="0.11"),
    )
    variables = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._client: Any = None

    def load(self) -> None:
        """Import the SDK; see :meth:`Sdk.load`."""
        import azure.ai.ml
        import azure.identity  # noqa: F401 - checks that they can be imported

    def token(self) -> tuple[str, str]:
        """Return the source of the credential and a token; see :meth:`Sdk.token`."""
        from azure.identity import DefaultAzureCredential

        # The check reports a failure; without a handler the library would print it to stderr as well.
        logging.getLogger("azure.identity").addHandler(logging.NullHandler())
        if self._credential is None:
            self._credential = DefaultAzureCredential()
        return type(self._credential).__name__, self._credential.get_token(f"{ADDRESS}/.default").token

    def open(self, config: Path) -> None:
        """Open the workspace; see :meth:`Sdk.open`."""
        self._client = open_client(config, self._credential)
        self._client.workspaces.get(self._client.workspace_name)

    def container(self) -> Container:
        """Return the container for data; see :meth:`Sdk.container`."""
        from azure.storage.blob import ContainerClient

        datastore = self._client.datastores.get_default(include_secrets=True)
        credentials = datastore.credentials
        # A datastore without a key is opened with the user's own credential.
        key = getattr(credentials, "account_key", None) or getattr(credentials, "sas_token", None) or self._credential
        return Container(
            datastore=datastore.name,
            account=datastore.account_name,
            name=datastore.container_name,
            client=ContainerClient(
                f"https://{datastore.account_name}.blob.{datastore.endpoint}", datastore.container_name, credential=key
            ),
        )
