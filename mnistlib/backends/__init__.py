"""Where jobs run. What a backend consists of says `mnistlib.backends.spec`."""

from typing import TYPE_CHECKING, Any, cast

from mnistlib.backends.spec import BackendSpec, chosen_name, spec_of, specs
from mnistlib.lazy import imported, lazy_names

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
    return cast("Backend", imported(spec_of(chosen_name(name)).backend)(**options))


# It imports the jobs, and with them NumPy.
__getattr__ = lazy_names(__name__, {"Backend": "mnistlib.backends.base"})
