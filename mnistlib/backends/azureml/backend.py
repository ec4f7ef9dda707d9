"""Jobs on a cluster of Azure Machine Learning, through azureml-core (SDK v1)."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from mnistlib.backends.azure.backend import AzureBackend
from mnistlib.backends.azure.calls import is_installed, opening
from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azureml.cluster_client import AzureMLClusterClient
from mnistlib.backends.cloud.backend import DATA_WAYS
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.run import CloudRun
from mnistlib.backends.cloud.specification import specification_of
from mnistlib.errors import MissingExtraError

__all__ = ["AzureMLBackend", "AzureMLRun"]

#: Further value of `data`: register the data set in the workspace.
_REGISTERED = "dataset"
#: Default environment variables of the SDK. They disable its own retries where possible and shorten their pauses
#: elsewhere: this package retries every call, so that pauses of half a minute would add up.
_SDK_VARIABLES: Mapping[str, str] = {
    "AZUREML_DEFAULT_RETRIES": "0",
    "AZUREML_LOG_DEPRECATION_WARNING_ENABLED": "False",  # the alternatives need further packages
    **dict.fromkeys(("AZUREML_DEFAULT_BACKOFF", "AZUREML_DEFAULT_500_BACKOFF", "AZUREML_DEFAULT_503_BACKOFF"), "1"),
}


class AzureMLRun(CloudRun):
    """A run of a workspace."""

    @property
    def sdk_run(self) -> Any:
        """The SDK's own object, as ``azureml.widgets.RunDetails`` takes it."""
        return cast(AzureMLClusterClient, self._client).sdk_run(self.id)


class AzureMLBackend(AzureBackend):
    """Backend on an AmlCompute cluster of an Azure Machine Learning workspace, through azureml-core.

    Parameters
    ----------
    workspace : azureml.core.Workspace, optional
        The workspace. Default: that of `config`.
    config : str or PathLike, optional
        A ``config.json`` of the workspace, or the folder to search from, as for ``Workspace.from_config``.
    compute : AmlComputeSpec, optional
        The cluster, created if it does not exist.
    data : {"upload", "fetch", "dataset"}, optional
        "upload" sends a job's data set to the workspace once; "fetch" lets each node download it. "dataset" uploads
        it too, and registers it as a FileDataset such as ``mnist_opendataset``, with a new version only when the
        content has changed. Default: the environment variable ``MNISTLIB_CLOUD_DATA``, else "upload".
    environment : str or PathLike, optional
        Python environment of jobs: ``curated:NAME`` for an environment of the workspace, or the path of a conda file.
        It must contain azureml-core and the requirements of this package, for "dataset" also
        azureml-dataset-runtime[fuse]. Default: the versions that are installed here.
    runs_folder : str or PathLike, optional
        Folder for the downloaded files of runs. Default: as for :class:`~mnistlib.LocalBackend`.
    retries : RetryPolicy, optional
        Retries after temporary errors.

    Raises
    ------
    MissingExtraError
        If azureml-core is not installed, or azureml-dataset-runtime for "dataset".
    BackendError
        If `data` is not one of these values.
    ClusterError
        If the workspace can't be reached.
    """

    run_class: type[CloudRun] = AzureMLRun
    data_ways: Sequence[str] = (*DATA_WAYS, _REGISTERED)

    def __init__(
        self,
        workspace: Any = None,
        *,
        config: str | os.PathLike[str] | None = None,
        compute: AmlComputeSpec | None = None,
        data: str | None = None,
        environment: str | os.PathLike[str] | None = None,
        runs_folder: str | os.PathLike[str] | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        if not is_installed("azureml.core"):
            raise MissingExtraError("AzureMLBackend", "azureml")
        way = self.way_of_data(data)
        if way == _REGISTERED and not is_installed("azureml.dataprep"):
            raise MissingExtraError(f"data={way!r}", "azureml-dataset")
        for name, value in _SDK_VARIABLES.items():
            os.environ.setdefault(name, value)
        open_workspace = partial(_open, config) if workspace is None else lambda: workspace
        specification = None if environment is None else specification_of(environment)
        self._azureml = AzureMLClusterClient(
            open_workspace,
            compute or AmlComputeSpec(),
            specification=specification,
            registers_data=way == _REGISTERED,
            policy=retries,
        )
        super().__init__(self._azureml, data=way, runs_folder=runs_folder)

    @property
    def workspace(self) -> Any:
        """The SDK's own object for the workspace, opened at first use."""
        return self._azureml.workspace


def _open(config: str | os.PathLike[str] | None) -> Any:
    from azureml.core import Workspace

    with opening(config):
        return Workspace.from_config(None if config is None else os.fspath(config))
