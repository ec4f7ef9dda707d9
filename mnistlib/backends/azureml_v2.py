"""Jobs on a cluster of Azure Machine Learning, through azure-ai-ml (SDK v2)."""

import importlib.util
import logging
import os
from pathlib import Path
from typing import Any, cast

from mnistlib.backends.azureml_calls import NOT_FOUND, pause_after, reason_of, status_of
from mnistlib.backends.azureml_compute import AmlComputeSpec
from mnistlib.backends.azureml_v2_cluster import AzureMLv2Cluster
from mnistlib.backends.azureml_v2_rest import WorkspaceRest, discover
from mnistlib.backends.azureml_v2_service import AzureMLv2Service
from mnistlib.backends.cloud.backend import CloudBackend
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.run import CloudRun
from mnistlib.backends.cloud.specification import specification_of
from mnistlib.errors import MissingExtraError, ServiceError

__all__ = ["AmlComputeSpec", "AzureMLv2Backend", "AzureMLv2Run"]

#: What a token for a workspace is asked for.
_SCOPE = "https://management.azure.com/.default"


class AzureMLv2Run(CloudRun):
    """A run of a workspace."""

    @property
    def sdk_run(self) -> Any:
        """The SDK's own object, an ``azure.ai.ml.entities.Job``: what was known of it when this was asked for."""
        service = cast(AzureMLv2Service, self._service)
        return service.calls.make(f"looking at run {self.id}", lambda: service.client.jobs.get(self.id))


class AzureMLv2Backend(CloudBackend):
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
    ServiceError
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
        # Its classes announce that they are experimental when the SDK loads them, used or not.
        logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
        if importlib.util.find_spec("azure") is None or importlib.util.find_spec("azure.ai.ml") is None:
            raise MissingExtraError("AzureMLv2Backend", "azureml-v2")
        self._credential = credential
        self._azureml = AzureMLv2Service(
            (lambda: _open(config, self._signed_in())) if ml_client is None else (lambda: ml_client),
            self._open_rest,
            compute or AmlComputeSpec(),
            specification=None if environment is None else specification_of(environment),
            policy=retries,
        )
        super().__init__(self._azureml, data=data, runs_folder=Path(runs_folder) if runs_folder else None)

    def __repr__(self) -> str:
        return f"AzureMLv2Backend(compute={self.compute.spec.name!r})"

    @property
    def ml_client(self) -> Any:
        """The SDK's own client of the workspace, opened when it is first needed."""
        return self._azureml.client

    @property
    def compute(self) -> AzureMLv2Cluster:
        """The cluster: ``compute.status()``, ``compute.delete()``."""
        return self._azureml.cluster

    def _signed_in(self) -> Any:
        if self._credential is None:
            from azure.identity import DefaultAzureCredential

            self._credential = DefaultAzureCredential()
        return self._credential

    def _open_rest(self) -> WorkspaceRest:
        client = self._azureml.client
        # A client that was given has one of its own, and no public way to say which.
        credential = self._credential or getattr(client, "_credential", None) or self._signed_in()
        workspace = client.workspaces.get(client.workspace_name)
        return WorkspaceRest(
            endpoint=discover(workspace.discovery_url),
            workspace=workspace.id,
            token=lambda: str(credential.get_token(_SCOPE).token),
        )


def _open(config: str | os.PathLike[str] | None, credential: Any) -> Any:
    from azure.ai.ml import MLClient

    # When it is loaded it begins to tell which files it has found; that is for whoever calls this package to say.
    logging.getLogger("azure.ai.ml").setLevel(logging.WARNING)
    path = None if config is None else os.fspath(config)
    try:
        # Every call of ours is tried again, so its own tries and pauses would only multiply. Progress is shown because
        # without it the SDK looks at no error of a file that it sends, and waits for that file for ever.
        return MLClient.from_config(credential, path=path, enable_telemetry=False, show_progress=True, retry_total=0)
    except Exception as error:  # of several classes, by what is wrong with the file
        if pause_after(error) is not None or status_of(error) not in (None, NOT_FOUND):
            raise  # the file is not to blame
        raise ServiceError(
            f"no workspace: {reason_of(error)}. Download config.json from the workspace's page in the portal and name "
            "it with config= (or stand beside it)"
        ) from error
