"""Clusters of Azure Machine Learning, for both SDKs: their specification, lookup and creation."""

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mnistlib.backends.azure.calls import Calls
from mnistlib.backends.azure.connection import CLUSTER_MAX_NODES, CLUSTER_MIN_NODES, CLUSTER_NAME, CLUSTER_SKU
from mnistlib.environment import Variable
from mnistlib.errors import ClusterError, ComputeError, JobError

# 3 to 24 letters, digits and hyphens, a letter first and no hyphen last; the SDK does not check this.
_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{1,22})[a-zA-Z0-9]")
#: Names with a special meaning in the SDK.
_RESERVED = ("amlcompute", "local", "containerinstance")

_KIND = "amlcompute"
_READY, _LOST = ("Succeeded", "Updating"), ("Failed", "Canceled")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_PATIENCE = 20 * 60  # seconds until a cluster that is still being created counts as failed

_log = logging.getLogger("mnistlib")


def _number(variable: Variable) -> int:
    text = variable.get()
    if not text.isdecimal():
        raise JobError(f"{variable.name} must be a whole number, not {text!r}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class AmlComputeSpec:
    """Specification of an autoscaling cluster.

    The defaults and their environment variables are those of Microsoft's tutorial.

    Attributes
    ----------
    name : str
        Name of the cluster; ``AML_COMPUTE_CLUSTER_NAME``, else ``cpu-cluster``.
    min_nodes, max_nodes : int
        Bounds of its size; ``AML_COMPUTE_CLUSTER_MIN_NODES``, else 0, and ``AML_COMPUTE_CLUSTER_MAX_NODES``, else 4.
    vm_size : str
        VM size of its nodes; ``AML_COMPUTE_CLUSTER_SKU``, else ``STANDARD_D2_V2``.
    idle_seconds : int
        Seconds after which an idle node is released.

    Raises
    ------
    JobError
        If a value is not allowed; the message says which values are.

    Examples
    --------
    >>> AmlComputeSpec(name="small", max_nodes=2).vm_size
    'STANDARD_D2_V2'
    """

    name: str = field(default_factory=CLUSTER_NAME.get)
    min_nodes: int = field(default_factory=lambda: _number(CLUSTER_MIN_NODES))
    max_nodes: int = field(default_factory=lambda: _number(CLUSTER_MAX_NODES))
    vm_size: str = field(default_factory=CLUSTER_SKU.get)
    idle_seconds: int = 1800

    def __str__(self) -> str:
        return f"{self.name}, {self.min_nodes} to {self.max_nodes} nodes of {self.vm_size}"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.lower() in _RESERVED:
            raise JobError(
                "a cluster's name must be 3 to 24 letters, digits and hyphens, beginning with a letter and not ending "
                f"with a hyphen, and not {', '.join(_RESERVED)}; got {self.name!r}"
            )
        if not 0 <= self.min_nodes <= self.max_nodes or self.max_nodes < 1:
            raise JobError(
                f"a cluster needs 0 <= min_nodes <= max_nodes and at least one node, not {self.min_nodes} to "
                f"{self.max_nodes}"
            )
        if self.idle_seconds < 0:
            raise JobError(f"idle_seconds must be at least 0, not {self.idle_seconds}")


@dataclass(frozen=True, kw_only=True)
class FoundCompute:
    """The compute with a cluster's name, of any kind."""

    kind: str  # in upper or lower case
    state: str  # provisioning state
    errors: Sequence[str] = ()  # provisioning errors


class AmlCluster(ABC):
    """A cluster of a workspace, created with the properties of `spec` if it does not exist."""

    def __init__(self, spec: AmlComputeSpec, calls: Calls) -> None:
        self.spec = spec
        self._calls = calls
        self._ready = False

    def ensure(self) -> None:
        """Find or create the cluster, and wait until it accepts jobs.

        Raise ComputeError, with the reason and advice, if the name is taken by another kind of compute, or the cluster
        can't be created.
        """
        if self._ready:
            return
        found = self._look() or self._create()
        if found.kind.lower() != _KIND:
            raise ComputeError(
                f"{self.spec.name} is a {found.kind}, not a cluster: choose another name (AML_COMPUTE_CLUSTER_NAME)"
            )
        self._wait(found)
        self._ready = True

    def status(self) -> dict[str, Any] | None:
        """Return the state of the cluster and the number of its nodes by activity; None if there is no cluster."""
        return self._calls.make(f"looking at cluster {self.spec.name}", self._status)

    def delete(self) -> None:
        """Delete the cluster, if it exists, and wait until it is gone."""
        self._ready = False
        if self._look() is not None:
            self._calls.make(f"deleting {self.spec.name}", self._remove)
            self._poll(lambda: self._look() is None, "not deleted")

    @abstractmethod
    def _find(self) -> FoundCompute | None:
        """Return the compute with the cluster's name, or None on 404."""

    @abstractmethod
    def _sizes(self) -> Sequence[str]:
        """Return the VM sizes that the workspace's region offers."""

    @abstractmethod
    def _begin(self) -> None:
        """Request the creation of the cluster."""

    @abstractmethod
    def _status(self) -> dict[str, Any] | None:
        """Return the result of :meth:`status`, without retries."""

    @abstractmethod
    def _remove(self) -> None:
        """Request the deletion of the cluster; do nothing on 404."""

    def _look(self) -> FoundCompute | None:
        return self._calls.make(f"looking for cluster {self.spec.name}", self._find)

    def _create(self) -> FoundCompute:
        names = self._calls.make("listing the VM sizes", self._sizes)
        if names and self.spec.vm_size.lower() not in map(str.lower, names):
            raise ComputeError(
                f"the workspace's region has no VM size {self.spec.vm_size!r}; it has "
                f"{', '.join(names[:10])}{' …' if len(names) > 10 else ''}. Choose one (AML_COMPUTE_CLUSTER_SKU)"
            )
        _log.info("creating the cluster %s", self.spec)
        try:
            self._calls.make(f"creating cluster {self.spec.name}", lambda: self._find() or self._begin())
        except ClusterError as error:
            raise self._failure(str(error)) from error
        return self._there()

    def _there(self) -> FoundCompute:
        found = self._look()
        if found is None:
            raise self._failure("it was deleted while it was being created")
        return found

    def _wait(self, found: FoundCompute) -> None:
        def ready() -> bool:
            nonlocal found
            if found.state in _LOST:
                raise self._failure("; ".join(found.errors) or "the workspace gives no reason")
            if found.state not in _READY:
                _log.info("cluster %s: %s", self.spec.name, found.state)
                found = self._there()
            return found.state in _READY

        self._poll(ready, "not ready")

    def _poll(self, condition: Callable[[], bool], state: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        pause = _FIRST_PAUSE
        while not condition():
            if time.monotonic() > deadline:
                raise ComputeError(f"cluster {self.spec.name} is still {state} after {_PATIENCE // 60} minutes")
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE)

    def _failure(self, reason: str) -> ComputeError:
        if "quota" in reason.lower():
            return ComputeError(
                f"no quota for cluster {self.spec.name} ({self.spec.max_nodes} nodes of {self.spec.vm_size}): "
                f"{reason}. Delete the failed cluster with backend.compute.delete(); then choose fewer nodes "
                "(AML_COMPUTE_CLUSTER_MAX_NODES) or another size (AML_COMPUTE_CLUSTER_SKU), or request more quota in "
                "the portal"
            )
        return ComputeError(
            f"could not create cluster {self.spec.name}: {reason}. Delete it with backend.compute.delete() before the "
            "next try"
        )
