"""Where jobs run."""

import importlib
from typing import Any, cast

from mnistlib.backends.base import Backend
from mnistlib.errors import BackendError

#: Backend name -> module and class; a module is imported when its backend is asked for.
BACKENDS = {"local": ("mnistlib.backends.local", "LocalBackend")}

__all__ = ["BACKENDS", "Backend", "get_backend"]


def get_backend(name: str = "local", **options: Any) -> Backend:
    """Make a backend by name.

    Parameters
    ----------
    name : str, default "local"
        One of :data:`BACKENDS`.
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
    if name not in BACKENDS:
        raise BackendError(f"unknown backend {name!r}: expected one of {', '.join(BACKENDS)}")
    module, class_name = BACKENDS[name]
    return cast(Backend, getattr(importlib.import_module(module), class_name)(**options))
