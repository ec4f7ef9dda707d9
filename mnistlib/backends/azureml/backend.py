"""Jobs on a cluster of Azure Machine Learning, through azureml-core (SDK v1)."""

import os
from collections.abc import Mapping
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

#: The way of data that this workspace has beside those of every one.
_REGISTERED = "dataset"
#: Variables of the SDK, with what they are set to unless they are set: where it can be told to, it tries nothing again
#: by itself, and elsewhere soon, where waits of half a minute would add up, since every call of ours is tried again.
_SDK_VARIABLES: Mapping[str, str] = {
    "AZUREML_DEFAULT_RETRIES": "0",
    "AZUREML_LOG_DEPRECATION_WARNING_ENABLED": "False",  # of calls that have no other form without further packages
    **dict.fromkeys(("AZUREML_DEFAULT_BACKOFF", "AZUREML_DEFAULT_500_BACKOFF", "AZUREML_DEFAULT_503_BACKOFF"), "1"),
}


class AzureMLRun(CloudRun):
    """A run of a workspace."""

    @property
    def sdk_run(self) -> Any:
        """The SDK's own object, such as ``azureml.widgets.RunDetails`` shows."""
        return cast(AzureMLClusterClient, self._client).sdk_run(self.id)


class AzureMLBackend(AzureBackend):
    """Runs jobs on an AmlCompute cluster of an Azure Machine Learning workspace.

    Parameters
    ----------
    workspace : azureml.core.Workspace, optional
        The workspace. Default: the one that `config` describes.
    config : str or PathLike, optional
        A ``config.json`` of the workspace, or a folder to look for one from, as ``Workspace.from_config`` takes it.
    compute : AmlComputeSpec, optional
        The cluster, made where it is not there.
    data : {"upload", "fetch", "dataset"}, optional
        Whether a job's data set is sent to the workspace from here, once, or downloaded by each node. "dataset" sends
        it too, and registers it as a FileDataset such as ``mnist_opendataset``, with a new version only when the
        content has changed. Default: the environment variable ``MNISTLIB_CLOUD_DATA``, else "upload".
    environment : str or PathLike, optional
        What jobs run in: ``curated:NAME`` for one that the workspace has, or the path of a conda file. It must bring
        azureml-core and what this package needs, for "dataset" azureml-dataset-runtime[fuse] too. Default: the
        versions that are installed here.
    runs_folder : str or PathLike, optional
        Below it results bring their files. Default: as :class:`~mnistlib.LocalBackend` has it.

    retries : RetryPolicy, optional
        How patiently what fails for a moment is tried again.

    Raises
    ------
    MissingExtraError
        If azureml-core is not installed, or azureml-dataset-runtime for "dataset".
    BackendError
        If there is no such way of data.
    ClusterError
        If the workspace can't be reached.
    """

    run_class = AzureMLRun
    data_ways = (*DATA_WAYS, _REGISTERED)

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
        """The SDK's own object for the workspace, opened when it is first needed."""
        return self._azureml.workspace


def _open(config: str | os.PathLike[str] | None) -> Any:
    from azureml.core import Workspace

    with opening(config):
        return Workspace.from_config(None if config is None else os.fspath(config))
