"""Clusters of Azure Machine Learning: what one should be like, and the names that it may have."""

import os
import re
from dataclasses import dataclass, field

from mnistlib.errors import JobError

# 3 to 24 letters, digits and hyphens, a letter first and no hyphen last; the SDK checks none of it.
_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{1,22})[a-zA-Z0-9]")
#: Names that mean something else.
_RESERVED = ("amlcompute", "local", "containerinstance")


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
