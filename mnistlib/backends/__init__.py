"""Where jobs run."""

import importlib
import os
from typing import TYPE_CHECKING, Any, cast

from mnistlib.backends.base import Backend
from mnistlib.errors import BackendError

if TYPE_CHECKING:
    from mnistlib.backends.cloud.node import NodeSide

#: Backend name -> module and class; a module is imported when its backend is asked for.
BACKENDS = {
    "local": ("mnistlib.backends.local", "LocalBackend"),
    "azureml": ("mnistlib.backends.azureml", "AzureMLBackend"),
    "azureml-v2": ("mnistlib.backends.azureml_v2", "AzureMLv2Backend"),
}

#: Service name -> module and class of its node's side.
NODE_SIDES = {
    "azureml": ("mnistlib.backends.azureml_node", "AzureMLNode"),
    "azureml-v2": ("mnistlib.backends.azureml_v2_node", "AzureMLv2Node"),
}

#: Names the backend that is meant where none is named.
BACKEND_VARIABLE = "MNISTLIB_BACKEND"

__all__ = ["BACKENDS", "BACKEND_VARIABLE", "NODE_SIDES", "Backend", "chosen_name", "get_backend", "node_side"]


def chosen_name(name: str | None) -> str:
    """Return the name of the backend that is meant: the one that is named, here or in the environment, else local."""
    return name or os.environ.get(BACKEND_VARIABLE) or "local"


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
    name = chosen_name(name)
    if name not in BACKENDS:
        raise BackendError(f"unknown backend {name!r}: expected one of {', '.join(BACKENDS)}")
    module, class_name = BACKENDS[name]
    return cast(Backend, getattr(importlib.import_module(module), class_name)(**options))


def node_side(name: str) -> "NodeSide":
    """Return a service's side on a node, by the service's name.

    Raises
    ------
    BackendError
        If there is no service of that name.
    """
    if name not in NODE_SIDES:
        raise BackendError(f"unknown service {name!r}: expected one of {', '.join(NODE_SIDES)}")
    module, class_name = NODE_SIDES[name]
    return cast("NodeSide", getattr(importlib.import_module(module), class_name)())
