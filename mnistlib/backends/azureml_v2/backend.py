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
        """The SDK's own object, an ``azure.ai.ml.entities.Job``, fetched now; it is not updated later."""
        workspace = cast(AzureMLv2ClusterClient, self._client)
        return workspace.calls.make(f"looking at run {self.id}", lambda: workspace.client.jobs.get(self.id))


class AzureMLv2Backend(AzureBackend):
    """Backend on an AmlCompute cluster of an Azure Machine Learning workspace, through azure-ai-ml.

    Parameters
    ----------
    ml_client : azure.ai.ml.MLClient, optional
        Client of the workspace. Default: one for the workspace of `config`.
    config : str or PathLike, optional
        A ``config.json`` of the workspace, or the folder to search from, as for ``MLClient.from_config``.
    credential : azure.core.credentials.TokenCredential, optional
        The credential. Default: the client's own; without a client, ``azure.identity.DefaultAzureCredential()``.
    compute : AmlComputeSpec, optional
        The cluster, created if it does not exist.
    data : {"upload", "fetch"}, optional
        "upload" sends a job's data set to the workspace once, as a data asset; "fetch" lets each node download it.
        Default: ``MNISTLIB_CLOUD_DATA``, else "upload".
    environment : str or PathLike, optional
        Python environment of jobs: ``curated:NAME`` for an environment of the workspace, or the path of a conda file.
        It must contain azureml-mlflow and the requirements of this package. Default: the versions installed here.
    runs_folder : str or PathLike, optional
        Folder for the downloaded files of runs. Default: as for :class:`~mnistlib.LocalBackend`.
    retries : RetryPolicy, optional
        Retries after temporary errors.

    Raises
    ------
    MissingExtraError
        If azure-ai-ml is not installed.
    ClusterError
        If the workspace can't be reached.
    """

    run_class: type[CloudRun] = AzureMLv2Run

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
        """The SDK's own client of the workspace, opened at first use."""
        return self._azureml.client

    def _signed_in(self) -> Any:
        if self._credential is None:
            from azure.identity import DefaultAzureCredential

            self._credential = DefaultAzureCredential()
        return self._credential

    def _open_rest(self) -> WorkspaceRest:
        client = self._azureml.client
        # The credential of a given client has no public attribute.
        credential = self._credential or getattr(client, "_credential", None) or self._signed_in()
        workspace = workspace_id(client.subscription_id, client.resource_group_name, client.workspace_name)

        def token() -> str:
            return str(credential.get_token(f"{ADDRESS}/.default").token)

        # Not through the client: it loads MLflow for this, which takes seconds and can't be interrupted.
        endpoint = discover(f"{ADDRESS}{workspace}", token())
        return WorkspaceRest(endpoint=endpoint, workspace=workspace, token=token)


def _open(config: str | os.PathLike[str] | None, credential: Any) -> Any:
    with opening(config):
        return open_client(config, credential)
