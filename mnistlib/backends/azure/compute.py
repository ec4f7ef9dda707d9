"""Clusters of Azure Machine Learning, whatever the SDK: what one should be like, and how it is found or made."""

import logging
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mnistlib.backends.azure.calls import Calls
from mnistlib.errors import ClusterError, ComputeError, JobError

# 3 to 24 letters, digits and hyphens, a letter first and no hyphen last; the SDK checks none of it.
_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{1,22})[a-zA-Z0-9]")
#: Names that mean something else.
_RESERVED = ("amlcompute", "local", "containerinstance")

_KIND = "amlcompute"
_READY, _LOST = ("Succeeded", "Updating"), ("Failed", "Canceled")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_PATIENCE = 20 * 60  # seconds until a cluster that is still being made counts as failed

_log = logging.getLogger("mnistlib")


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    if not text:
        return default
    if not text.isdecimal():
        raise JobError(f"{variable} must be a whole number, not {text!r}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class AmlComputeSpec:
    """A cluster that grows and shrinks by itself.

    The defaults are those of Microsoft's tutorial, and come from the same environment variables.

    Attributes
    ----------
    name : str
        The cluster's; ``AML_COMPUTE_CLUSTER_NAME``, else ``cpu-cluster``.
    min_nodes, max_nodes : int
        Bounds of its size; ``AML_COMPUTE_CLUSTER_MIN_NODES``, else 0, and ``AML_COMPUTE_CLUSTER_MAX_NODES``, else 4.
    vm_size : str
        Kind of its nodes; ``AML_COMPUTE_CLUSTER_SKU``, else ``STANDARD_D2_V2``.
    idle_seconds : int
        After which a node without work is given back.

    Raises
    ------
    JobError
        If a value is not allowed; the message says which are.

    Examples
    --------
    >>> AmlComputeSpec(name="small", max_nodes=2).vm_size
    'STANDARD_D2_V2'
    """

    name: str = field(default_factory=lambda: os.environ.get("AML_COMPUTE_CLUSTER_NAME") or "cpu-cluster")
    min_nodes: int = field(default_factory=lambda: _number("AML_COMPUTE_CLUSTER_MIN_NODES", 0))
    max_nodes: int = field(default_factory=lambda: _number("AML_COMPUTE_CLUSTER_MAX_NODES", 4))
    vm_size: str = field(default_factory=lambda: os.environ.get("AML_COMPUTE_CLUSTER_SKU") or "STANDARD_D2_V2")
    idle_seconds: int = 1800

    def __str__(self) -> str:
        return f"{self.name}, {self.min_nodes} to {self.max_nodes} nodes of {self.vm_size}"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.lower() in _RESERVED:
            raise JobError(
                "a cluster's name must be 3 to 24 letters, digits and hyphens, beginning with a letter and not ending "
                f"with a hyphen, and none of {', '.join(_RESERVED)}; not {self.name!r}"
            )
        if not 0 <= self.min_nodes <= self.max_nodes or self.max_nodes < 1:
            raise JobError(
                f"a cluster needs 0 <= min_nodes <= max_nodes and at least one node, not {self.min_nodes} to "
                f"{self.max_nodes}"
            )
        if self.idle_seconds < 0:
            raise JobError(f"idle_seconds must not be negative, not {self.idle_seconds}")


@dataclass(frozen=True, kw_only=True)
class FoundCompute:
    """What there is under a cluster's name.

    Attributes
    ----------
    kind : str
        What it is; in another case than here, maybe.
    state : str
        How far its making has come.
    errors : sequence of str
        Why it could not be made.
    """

    kind: str
    state: str
    errors: Sequence[str] = ()


class AmlCluster(ABC):
    """A cluster of a workspace.

    Parameters
    ----------
    spec : AmlComputeSpec
        What it is called, and what it is like where it has to be made.
    calls : Calls
        How the SDK is called.
    """

    def __init__(self, spec: AmlComputeSpec, calls: Calls) -> None:
        self.spec = spec
        self._calls = calls
        self._ready = False

    def ensure(self) -> None:
        """Find the cluster or make it, and wait until jobs can be sent to it.

        Raises
        ------
        ComputeError
            If the name is taken by another kind of compute, or the cluster can't be made; the message says why and
            what to do.
        """
        if self._ready:
            return
        found = self._look() or self._create()
        if found.kind.lower() != _KIND:
            raise ComputeError(
                f"{self.spec.name} is a {found.kind} and no cluster: choose another name (AML_COMPUTE_CLUSTER_NAME)"
            )
        self._wait(found)
        self._ready = True

    def status(self) -> dict[str, Any] | None:
        """Return how many nodes there are and what they do; None where there is no cluster."""
        return self._calls.make(f"looking at cluster {self.spec.name}", self._status)

    def delete(self) -> None:
        """Delete the cluster, where there is one, and wait until that is done."""
        self._ready = False
        if self._look() is not None:
            self._calls.make(f"deleting {self.spec.name}", self._remove)
            self._poll(lambda: self._look() is None, "there")

    @abstractmethod
    def _find(self) -> FoundCompute | None:
        """Return what there is under the cluster's name, if anything."""

    @abstractmethod
    def _sizes(self) -> Sequence[str]:
        """Return the sizes of nodes that the workspace's region has."""

    @abstractmethod
    def _begin(self) -> None:
        """Ask for the cluster."""

    @abstractmethod
    def _status(self) -> dict[str, Any] | None:
        """Return what :meth:`status` tells."""

    @abstractmethod
    def _remove(self) -> None:
        """Ask for the cluster's end; what is not there is no error."""

    def _look(self) -> FoundCompute | None:
        return self._calls.make(f"looking for cluster {self.spec.name}", self._find)

    def _create(self) -> FoundCompute:
        names = self._calls.make("listing the VM sizes", self._sizes)
        if names and self.spec.vm_size.lower() not in map(str.lower, names):
            raise ComputeError(
                f"there is no VM size {self.spec.vm_size!r} in the workspace's region; there are "
                f"{', '.join(names[:10])}{' …' if len(names) > 10 else ''}. Choose one (AML_COMPUTE_CLUSTER_SKU)"
            )
        _log.info("making the cluster %s", self.spec)
        try:
            self._calls.make(f"making cluster {self.spec.name}", lambda: self._find() or self._begin())
        except ClusterError as error:
            raise self._failure(str(error)) from error
        return self._there()

    def _there(self) -> FoundCompute:
        found = self._look()
        if found is None:
            raise self._failure("it is gone again")
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

    def _poll(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        pause = _FIRST_PAUSE
        while not condition():
            if time.monotonic() > deadline:
                raise ComputeError(f"cluster {self.spec.name} is still {otherwise} after {_PATIENCE // 60} minutes")
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE)

    def _failure(self, reason: str) -> ComputeError:
        if "quota" in reason.lower():
            return ComputeError(
                f"there is no quota for cluster {self.spec.name} ({self.spec.max_nodes} nodes of {self.spec.vm_size}): "
                f"{reason}. Ask for fewer nodes (AML_COMPUTE_CLUSTER_MAX_NODES), another size "
                "(AML_COMPUTE_CLUSTER_SKU), or more quota in the portal; what is left of this one is deleted with "
                "backend.compute.delete() first"
            )
        return ComputeError(
            f"cluster {self.spec.name} could not be made: {reason}. Delete it before the next try, with "
            "backend.compute.delete()"
        )
