"""Base class of the backends for Azure Machine Learning."""

from functools import cached_property

from mnistlib.backends.azure.cluster_client import AzureClusterClient
from mnistlib.backends.azure.compute import AmlCluster
from mnistlib.backends.cloud.backend import CloudBackend
from mnistlib.models.interfaces import Models, Services


class AzureBackend(CloudBackend):
    """Backend on a cluster of a workspace, with the workspace's own registry and services."""

    _client: AzureClusterClient

    def __repr__(self) -> str:
        return f"{type(self).__name__}(compute={self.compute.spec.name!r})"

    @property
    def compute(self) -> AmlCluster:
        """The cluster: ``compute.status()``, ``compute.delete()``."""
        return self._client.cluster

    @cached_property
    def models(self) -> Models:
        """The registered models of the workspace."""
        return self._client.models

    @cached_property
    def services(self) -> Services:
        """The deployed services of the workspace."""
        return self._client.services
