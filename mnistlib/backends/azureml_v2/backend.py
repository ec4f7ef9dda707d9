"""Jobs on a cluster of Azure Machine Learning, through azure-ai-ml (SDK v2)."""

import os
from typing import Any, cast

from mnistlib.backends.azure.backend import AzureBackend
from mnistlib.backends.azure.calls import is_installed, opening
from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azure.management import ADDRESS, workspace_id
from mnistlib.backends.azureml_v2.client import open_client, quieten
from mnistlib.backends.azureml_v2.cluster_client import AzureMLv2ClusterClient
from mnistlib.backends.azureml_v2.rest import WorkspaceRest, discover
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.run import CloudRun
from mnistlib.backends.cloud.specification import specification_of
from mnistlib.errors import MissingExtraError

__all__ = ["AzureMLv2Backend", "AzureMLv2Run"]


class AzureMLv2Run(CloudRun):
    """A run of a workspace."""

    @property
    def sdk_run(self) -> Any:
        """The SDK's own object, an ``azure.ai.ml.entities.Job``: what was known of it when this was asked for."""
        workspace = cast(AzureMLv2ClusterClient, self._client)
        return workspace.calls.make(f"looking at run {self.id}", lambda: workspace.client.jobs.get(self.id))


class AzureMLv2Backend(AzureBackend):
    """Runs jobs on an AmlCompute cluster of an Azure Machine Learning workspace, through azure-ai-ml.

    Parameters
    ----------
    ml_client : azure.ai.ml.MLClient, optional
        Of the workspace. Default: one for the workspace that `config` describes.
    config : str or PathLike, optional
        A ``config.json`` of the workspace, or a folder to look for one from, as ``MLClient.from_config`` takes it.
    credential : azure.core.credentials.TokenCredential, optional
        Who signs in. Default: the client's own; without a client, ``azure.identity.DefaultAzureCredential()``.
    compute : AmlComputeSpec, optional
        The cluster, made where it is not there.
    data : {"upload", "fetch"}, optional
        Whether a job's data set is sent to the workspace from here, once, as a data asset, or downloaded by each node.
        Default: ``MNISTLIB_CLOUD_DATA``, else "upload".
    environment : str or PathLike, optional
        What jobs run in: ``curated:NAME`` for one that the workspace has, or the path of a conda file. It must bring
        azureml-mlflow and what this package needs. Default: the versions that are installed here.
    runs_folder : str or PathLike, optional
        Below it results bring their files. Default: as :class:`~mnistlib.LocalBackend` has it.
    retries : RetryPolicy, optional
        How patiently what fails for a moment is tried again.

    Raises
    ------
    MissingExtraError
        If azure-ai-ml is not installed.
    ClusterError
        If the workspace can't be reached.
    """

    run_class = AzureMLv2Run

    def __init__(
        self,
        ml_client: Any = None,
        *,
        config: str | os.PathLike[str] | None = None,
        credential: Any = None,
        compute: AmlComputeSpec | None = None,
        data: str | None = None,
        environment: str | os.PathLike[str] | None = None,
        runs_folder: str | os.PathLike[str] | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        if not is_installed("azure.ai.ml"):
            raise MissingExtraError("AzureMLv2Backend", "azureml-v2")
        quieten()
        self._credential = credential
        self._azureml = AzureMLv2ClusterClient(
            (lambda: _open(config, self._signed_in())) if ml_client is None else (lambda: ml_client),
            self._open_rest,
            compute or AmlComputeSpec(),
            specification=None if environment is None else specification_of(environment),
            policy=retries,
        )
        super().__init__(self._azureml, data=data, runs_folder=runs_folder)

    @property
    def ml_client(self) -> Any:
        """The SDK's own client of the workspace, opened when it is first needed."""
        return self._azureml.client

    def _signed_in(self) -> Any:
        if self._credential is None:
            from azure.identity import DefaultAzureCredential

            self._credential = DefaultAzureCredential()
        return self._credential

    def _open_rest(self) -> WorkspaceRest:
        client = self._azureml.client
        # A client that was given has one of its own, and no public way to say which.
        credential = self._credential or getattr(client, "_credential", None) or self._signed_in()
        workspace = workspace_id(client.subscription_id, client.resource_group_name, client.workspace_name)

        def token() -> str:
            return str(credential.get_token(f"{ADDRESS}/.default").token)

        # Not by the client: to describe a workspace it loads MLflow, which takes seconds and bears no interruption.
        endpoint = discover(f"{ADDRESS}{workspace}", token())
        return WorkspaceRest(endpoint=endpoint, workspace=workspace, token=token)


def _open(config: str | os.PathLike[str] | None, credential: Any) -> Any:
    with opening(config):
        return open_client(config, credential)
