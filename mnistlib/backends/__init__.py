"""Backends: the places where jobs run. `mnistlib.backends.spec` describes the parts of a backend."""

from typing import TYPE_CHECKING, Any, cast

from mnistlib.backends.spec import BackendSpec, chosen_name, spec_of, specs
from mnistlib.lazy import imported, lazy_names
from mnistlib.options import options_in

if TYPE_CHECKING:
    from mnistlib.backends.base import Backend

__all__ = ["Backend", "BackendSpec", "get_backend", "specs"]


def get_backend(name: str | None = None, **options: Any) -> "Backend":
    """Make a backend by name.

    Parameters
    ----------
    name : str, optional
        Name of a backend, such as ``local``. Default: the environment variable ``MNISTLIB_BACKEND``, else ``local``.
    **options
        Arguments of the backend's class.

    Returns
    -------
    Backend
        The backend, ready to run jobs.

    Raises
    ------
    BackendError
        If no backend has that name.
    JobError
        If the value of an option is not allowed.

    Examples
    --------
    >>> import mnistlib
    >>> mnistlib.get_backend("local", runs_folder="/tmp/runs")
    LocalBackend(runs_folder='/tmp/runs')
    """
    spec = spec_of(chosen_name(name))
    known = {field.name for field, _ in options_in(spec.connection)}
    spec.connection(**{each: value for each, value in options.items() if each in known})  # checks their values
    return cast("Backend", imported(spec.backend)(**options))


if not TYPE_CHECKING:  # a type checker would accept any name
    # Loaded at first use: the module imports the jobs, and with them NumPy.
    __getattr__ = lazy_names(__name__, {"Backend": "mnistlib.backends.base"})
