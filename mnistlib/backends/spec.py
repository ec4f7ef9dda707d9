"""Description of a backend, the only part that the rest of the package depends on.

A backend is a package in `mnistlib.backends` whose module ``spec`` defines ``SPEC``, or a separate distribution
that registers its `BackendSpec` as an entry point of the group ``mnistlib.backends``.
"""

import importlib
import logging
import os
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from mnistlib.errors import BackendError
from mnistlib.options import check_options, option

__all__ = ["BACKEND_VARIABLE", "BackendSpec", "Connection", "Options", "chosen_name", "spec_of", "specs"]

#: Environment variable with the name of the default backend.
BACKEND_VARIABLE = "MNISTLIB_BACKEND"
#: Entry point group for backends of other distributions.
GROUP = "mnistlib.backends"

_log = logging.getLogger("mnistlib")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base class for the options of a backend: frozen dataclasses of fields made by `mnistlib.options.option`.

    Raises
    ------
    JobError
        If a value is not allowed; the message lists the allowed values.
    """

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class Connection(Options):
    """Options of a backend itself: keyword arguments of its class.

    Attributes
    ----------
    runs_folder : str or None
        Folder of the runs on this machine.
    """

    runs_folder: str | None = option(
        None, "folder of the runs (default: $MNISTLIB_RUNS or runs)", metavar="FOLDER", flag="--runs"
    )


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """Description of a backend. References ``package.module:NAME`` are imported at first use.

    Attributes
    ----------
    name : str
        Name on the command line and in ``MNISTLIB_BACKEND``.
    backend : str
        Reference to its class, a `mnistlib.backends.base.Backend`.
    node : str or None
        Reference to its class for a node, a `mnistlib.backends.cloud.node.NodeSide`; None if the backend does not run
        ``python -m mnistlib node``.
    metric_reader : str or None
        Reference to a `mnistlib.runs.context.MetricReader`, for scripts that were written for its platform and run on
        this machine; None if they print no metrics.
    doctor : str
        Reference to a function that takes the connection options and returns a list of
        `mnistlib.backends.checks.Step`: the checks of ``mnistlib doctor``.
    connection, submission, deployment : type
        Options of its class, of its ``submit``, and of the ``deploy`` of its services: frozen dataclasses, which
        define the command-line flags.
    """

    name: str
    backend: str
    node: str | None = None
    metric_reader: str | None = None
    doctor: str = "mnistlib.backends.checks:steps"
    connection: type[Options] = Connection
    submission: type[Options] = Options
    deployment: type[Options] = Options


def chosen_name(name: str | None = None) -> str:
    """Return the given name of a backend, by default that in ``MNISTLIB_BACKEND``, else local."""
    return name or os.environ.get(BACKEND_VARIABLE) or "local"


def spec_of(name: str) -> BackendSpec:
    """Return the description of a backend.

    If no backend has that name, raise BackendError, which lists the known names.
    """
    known = specs()
    if name not in known:
        raise BackendError(f"unknown backend {name!r}: expected one of {', '.join(known)}")
    return known[name]


@cache
def specs() -> Mapping[str, BackendSpec]:
    """Return the descriptions of all backends by name: those of this package, then those of other distributions."""
    found = {spec.name: spec for spec in _own()}
    for entry in entry_points(group=GROUP):
        spec = _loaded(entry)
        if spec is not None:
            found.setdefault(spec.name, spec)
    return found


def _own() -> Iterator[BackendSpec]:
    package = importlib.import_module("mnistlib.backends")
    names = [f"mnistlib.backends.{each.name}.spec" for each in pkgutil.iter_modules(package.__path__) if each.ispkg]
    own: list[BackendSpec] = [importlib.import_module(name).SPEC for name in names if find_spec(name)]
    # "local" first: it is the default.
    yield from sorted(own, key=lambda spec: (spec.name != "local", spec.name))


def _loaded(entry: EntryPoint) -> BackendSpec | None:
    """Return the description at an entry point; log a warning and return None if it can't be loaded."""
    try:
        spec = entry.load()
    except Exception as error:  # another distribution's error must not stop every command of this one
        _log.warning(
            "the backend %s (%s) can't be loaded: %s: %s", entry.name, entry.value, type(error).__name__, error
        )
        return None
    if not isinstance(spec, BackendSpec):
        _log.warning("the backend %s (%s) is not a BackendSpec, but %r", entry.name, entry.value, spec)
        return None
    return spec
