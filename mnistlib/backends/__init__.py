"""Where jobs run."""

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mnistlib.backends.base import Backend
from mnistlib.errors import BackendError

if TYPE_CHECKING:
    from mnistlib.backends.cloud.node import NodeSide

Entry = TypeVar("Entry")

#: Backend name -> module and class; a module is imported when its backend is asked for.
BACKENDS = {
    "local": ("mnistlib.backends.local", "LocalBackend"),
    "azureml": ("mnistlib.backends.azureml", "AzureMLBackend"),
    "azureml-v2": ("mnistlib.backends.azureml_v2", "AzureMLv2Backend"),
}

#: Backend name -> module and class of its node's side.
NODE_SIDES = {
    "azureml": ("mnistlib.backends.azureml.node", "AzureMLNode"),
    "azureml-v2": ("mnistlib.backends.azureml_v2.node", "AzureMLv2Node"),
}

#: Names the backend that is meant where none is named.
BACKEND_VARIABLE = "MNISTLIB_BACKEND"

__all__ = [
    "BACKENDS",
    "BACKEND_VARIABLE",
    "NODE_SIDES",
    "Backend",
    "chosen_name",
    "entry_of",
    "get_backend",
    "node_side",
]


def chosen_name(name: str | None) -> str:
    """Return the name of the backend that is meant: the one that is named, here or in the environment, else local."""
    return name or os.environ.get(BACKEND_VARIABLE) or "local"


def entry_of(table: Mapping[str, Entry], kind: str, name: str) -> Entry:
    """Return what a table has under a name; BackendError if nothing, with the names that it has."""
    if name not in table:
        raise BackendError(f"unknown {kind} {name!r}: expected one of {', '.join(table)}")
    return table[name]


def get_backend(name: str | None = None, **options: Any) -> Backend:
    """Make a backend by name.

    Parameters
    ----------
    name : str, optional
        One of :data:`BACKENDS`. Default: the environment variable ``MNISTLIB_BACKEND``, else ``local``.
    **options
        For the backend's class.

    Returns
    -------
    Backend
        Ready to run jobs.

    Raises
    ------
    BackendError
        If there is no backend of that name.

    Examples
    --------
    >>> import mnistlib
    >>> mnistlib.get_backend("local", runs_folder="/tmp/runs")
    LocalBackend(runs_folder='/tmp/runs')
    """
    module, class_name = entry_of(BACKENDS, "backend", chosen_name(name))
    return cast(Backend, getattr(importlib.import_module(module), class_name)(**options))


def node_side(name: str) -> "NodeSide":
    """Return a cluster's side on a node, by the backend's name.

    Raises
    ------
    BackendError
        If there is no backend of that name.
    """
    module, class_name = entry_of(NODE_SIDES, "backend", name)
    return cast("NodeSide", getattr(importlib.import_module(module), class_name)())
