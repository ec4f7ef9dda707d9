"""Description of a backend, the only part that the rest of the package depends on.

A backend is a package in `mnistlib.backends` whose module ``spec`` defines ``SPEC``, or a separate distribution
that registers its `BackendSpec` as an entry point of the group ``mnistlib.backends``.
"""

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from mnistlib.environment import BACKEND, RUNS, Variable
from mnistlib.errors import BackendError
from mnistlib.options import check_options, option, options_in, type_of

__all__ = ["BackendSpec", "Connection", "Options", "chosen_name", "spec_of", "specs"]

#: Entry point group for backends of other distributions.
GROUP = "mnistlib.backends"

#: Fields of a `BackendSpec` that hold options.
PARTS = ("connection", "submission", "deployment")

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
        None, f"folder of the runs (default: ${RUNS.name} or {RUNS.default})", metavar="FOLDER", flag="--runs"
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
        Reference to a ``mnistlib.runs.context.MetricReader``, for scripts that were written for its platform and run on
        this machine; None if they print no metrics.
    doctor : str
        Reference to a function that takes the connection options and returns a list of
        `mnistlib.backends.checks.Step`: the checks of ``mnistlib doctor``.
    connection, submission, deployment : type
        Options of its class, of its ``submit``, and of the ``deploy`` of its services: frozen dataclasses, which
        define the command-line flags.
    variables : tuple of Variable
        Environment variables that only this backend reads, as `mnistlib.environment.Variable`.
    """

    name: str
    backend: str
    node: str | None = None
    metric_reader: str | None = None
    doctor: str = "mnistlib.backends.checks:steps"
    connection: type[Options] = Connection
    submission: type[Options] = Options
    deployment: type[Options] = Options
    variables: tuple[Variable, ...] = ()


def chosen_name(name: str | None = None) -> str:
    """Return the given name of a backend, by default that in ``MNISTLIB_BACKEND``, else local."""
    return name or BACKEND.get()


def spec_of(name: str) -> BackendSpec:
    """Return the description of a backend.

    If no backend has that name, or it could not be loaded, raise BackendError with the known names or the reason.
    """
    known, failures = _found()
    if name in failures and name not in known:
        raise BackendError(f"cannot load the backend {name}: {failures[name]}")
    if name not in known:
        raise BackendError(f"unknown backend {name!r}: expected one of {', '.join(known)}")
    return known[name]


def specs() -> Mapping[str, BackendSpec]:
    """Return the descriptions of all backends by name: those of this package, then those of other distributions."""
    return _found()[0]


@cache
def _found() -> tuple[dict[str, BackendSpec], dict[str, str]]:
    """Return all backends by name, and for the entry points that are no usable backend the reason."""
    found = {spec.name: spec for spec in _own()}
    failures = {}
    for entry in entry_points(group=GROUP):
        try:
            spec = _loaded(entry, found)
        except _UnusableError as error:  # an error of another distribution must not stop every command of this one
            failures[entry.name] = f"{entry.value} {error}"
            _log.warning("cannot load the backend %s: %s", entry.name, failures[entry.name])
        else:
            found[spec.name] = spec
    return found, failures


def _own() -> Iterator[BackendSpec]:
    package = importlib.import_module("mnistlib.backends")
    names = [f"mnistlib.backends.{each.name}.spec" for each in pkgutil.iter_modules(package.__path__) if each.ispkg]
    own: list[BackendSpec] = [importlib.import_module(name).SPEC for name in names if find_spec(name)]
    # "local" first: it is the default.
    yield from sorted(own, key=lambda spec: (spec.name != "local", spec.name))


class _UnusableError(Exception):
    """An entry point is no usable backend; the message continues its name."""


def _loaded(entry: EntryPoint, known: Mapping[str, BackendSpec]) -> BackendSpec:
    """Return the description at an entry point, if it can be used beside the known ones."""
    try:
        spec = entry.load()
    except (Exception, SystemExit) as error:
        raise _UnusableError(f"raises {type(error).__name__}: {error}") from error
    if not isinstance(spec, BackendSpec):
        raise _UnusableError(f"is not a BackendSpec, but {spec!r}")
    if spec.name != entry.name:
        raise _UnusableError(f"has the name {spec.name!r}: the entry point needs the same name")
    if spec.name in known:
        raise _UnusableError("has the name of another backend")
    for part in PARTS:
        _require_options(spec, part, known)
    return spec


def _require_options(spec: BackendSpec, part: str, known: Mapping[str, BackendSpec]) -> None:
    cls = getattr(spec, part)
    if not (isinstance(cls, type) and issubclass(cls, Options) and is_dataclass(cls)):
        raise _UnusableError(f"has {part}={cls!r}: expected a dataclass that derives from Options")
    for field, described in options_in(cls):
        kind = type_of(cls, field.name)
        if kind is bool and field.default is True and described.flag is None:
            raise _UnusableError(f"needs a flag= for the option {field.name}, which is True by default")
        for other in known.values():
            theirs = getattr(other, part)
            if any(each.name == field.name for each, _ in options_in(theirs)) and type_of(theirs, field.name) != kind:
                raise _UnusableError(f"has an option {field.name} of another type than the backend {other.name}")
