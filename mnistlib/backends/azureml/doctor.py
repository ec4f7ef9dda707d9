"""Readiness checks through azureml-core."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.doctor import Container, Sdk, steps_of
from mnistlib.backends.azure.management import ADDRESS
from mnistlib.backends.checks import Package, Step
from mnistlib.errors import ClusterError

_CLI_PATIENCE = 20  # seconds


def steps(
    *, config: str | os.PathLike[str] | None = None, runs_folder: str | os.PathLike[str] | None = None
) -> list[Step]:
    """Return the checks, in order; the options are those of :class:`~mnistlib.AzureMLBackend`."""
    return steps_of(AzureMLCore(), config=config, runs_folder=runs_folder)


class AzureMLCore(Sdk):
    """SDK interface of the checks through azureml-core."""

    extra = "azureml"
    packages = (
        Package(name="azureml-core", at_least="1.61"),
        Package(name="setuptools", below="81"),
        Package(name="pathspec", at_least="0.11"),
    )
    variables = (
        "AZUREML_SERVICE_PRINCIPAL_TENANT_ID",
        "AZUREML_SERVICE_PRINCIPAL_ID",
        "AZUREML_SERVICE_PRINCIPAL_PASSWORD",
    )

    def __init__(self) -> None:
        self._authentication: Any = None
        self._workspace: Any = None

    def load(self) -> None:
        """Import the SDK; see :meth:`Sdk.load`."""
        import azureml.core  # noqa: F401 - checks that it can be imported

    def token(self) -> tuple[str, str]:
        """Return the source of the credential and a token; see :meth:`Sdk.token`."""
        # Non-interactive sign-in only: the SDK's default would open a browser and wait.
        from azureml.core.authentication import (
            ArmTokenAuthentication,
            MsiAuthentication,
            ServicePrincipalAuthentication,
        )

        values = [os.environ.get(name) for name in self.variables]
        if "MSI_ENDPOINT" in os.environ:
            source, self._authentication = "managed identity", MsiAuthentication()
        elif all(values):
            source, self._authentication = "service principal", ServicePrincipalAuthentication(*values)
        else:
            source, self._authentication = "az login", ArmTokenAuthentication(_token_of_cli(), cloud="AzureCloud")
        header: str = self._authentication.get_authentication_header()["Authorization"]
        return source, header.removeprefix("Bearer ")

    def open(self, config: Path) -> None:
        """Open the workspace; see :meth:`Sdk.open`."""
        from azureml.core import Workspace

        self._workspace = Workspace.from_config(str(config), auth=self._authentication)

    def container(self) -> Container:
        """Return the container for data; see :meth:`Sdk.container`."""
        datastore = self._workspace.get_default_datastore()
        return Container(
            datastore=datastore.name,
            account=datastore.account_name,
            name=datastore.container_name,
            client=datastore.blob_service.get_container_client(datastore.container_name),
        )


def _token_of_cli() -> str:
    """Return a token of the account signed in with ``az login``."""
    az = shutil.which("az")
    if az is None:
        raise ClusterError("no service principal in the environment, and no command az on the PATH")
    command = [az, "account", "get-access-token", "--resource", f"{ADDRESS}/", "--output", "json"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_CLI_PATIENCE, check=True)  # noqa: S603 - found above
        return str(json.loads(done.stdout)["accessToken"])
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"az did not answer within {_CLI_PATIENCE} seconds") from error
    except (subprocess.CalledProcessError, ValueError, KeyError) as error:
        raise ClusterError("az is installed, but no account is signed in") from error
