"""Base classes of the cluster clients for Azure Machine Learning."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import Calls, in_parallel
from mnistlib.backends.azure.compute import AmlCluster, AmlComputeSpec
from mnistlib.backends.azure.runs import is_output
from mnistlib.backends.cloud.cluster_client import ClusterClient, RunClient, Submission
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.specification import EnvironmentSpecification
from mnistlib.backends.cloud.staging import ShippingRules
from mnistlib.models.interfaces import Models, Services

#: Rules of a workspace for snapshots of source code.
SHIPPING = ShippingRules(ignore_files=(".amlignore", ".gitignore"), most_bytes=300 * 1024 * 1024, most_files=2000)


class AzureRunClient(RunClient):
    """Runs of a workspace."""

    calls: Calls

    @abstractmethod
    def _fetch_one(self, run_id: str, name: str, target: Path) -> None:
        """Download a file of a run; FileNotFoundError if there is none."""

    def is_output(self, name: str) -> bool:
        """Return whether a file is the standard output of the node's process; see :meth:`FileClient.is_output`."""
        return is_output(name)

    def fetch(self, run_id: str, names: Sequence[str], folder: Path) -> None:
        """Download files of a run into a folder; see :meth:`FileClient.fetch`."""

        def one(name: str) -> None:
            self.calls.make(f"fetching {name} of run {run_id}", lambda: self._fetch_one(run_id, name, folder / name))

        in_parallel(one, names)


class AzureClusterClient(AzureRunClient, ClusterClient):
    """A workspace and a cluster in it, through either SDK.

    The first submission creates the cluster if it does not exist. The jobs run in the Python environment of
    `specification`, by default that of this process.
    """

    cluster: AmlCluster
    shipping: ShippingRules = SHIPPING

    def __init__(
        self, compute: AmlComputeSpec, *, specification: EnvironmentSpecification | None, policy: RetryPolicy | None
    ) -> None:
        self.calls: Calls = Calls(policy or RetryPolicy())
        self.cluster_text: str = str(compute)
        self._given_specification = specification
        self._environment: Any = None

    @cached_property
    def specification(self) -> EnvironmentSpecification:
        """The Python environment of the nodes; never used on a node, where the pinned packages may be missing."""
        return self._given_specification or self._specification_here()

    @abstractmethod
    def _specification_here(self) -> EnvironmentSpecification:
        """Return the specification of this process's environment, with the further packages of a node."""

    @abstractmethod
    def _ensure_environment(self) -> Any:
        """Return the registered environment of the specification; register it if it is missing."""

    @property
    @abstractmethod
    def models(self) -> Models:
        """The registered models of the workspace."""

    @property
    @abstractmethod
    def services(self) -> Services:
        """The deployed services of the workspace."""

    def prepare(self) -> None:
        """Make sure that the cluster and the environment exist; see :meth:`ClusterClient.prepare`."""
        self.cluster.ensure()
        if self._environment is None:
            self._environment = self.calls.make("looking for the environment", self._ensure_environment)

    def _submit_once(
        self, submission: Submission, *, is_there: Callable[[], object], start: Callable[[], object]
    ) -> None:
        """Start a run; don't start it again if only the answer to an earlier try was lost."""
        self.calls.make_once(
            f"submitting run {submission.run_id} (check whether it exists: mnistlib runs show "
            f"{submission.run_id} --backend {self.name})",
            start,
            unless=is_there,
        )
