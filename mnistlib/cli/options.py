"""Command-line options derived from the fields of a dataclass, and their values given by the user."""

import argparse
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from mnistlib.backends import get_backend
from mnistlib.backends.spec import BackendSpec, chosen_name, spec_of, specs
from mnistlib.errors import JobError
from mnistlib.options import Option, options_in, type_of

if TYPE_CHECKING:
    from mnistlib.backends import Backend

_log = logging.getLogger("mnistlib")

_BACKEND = "backend:"
"""Prefix of the values of backends' options, which may have the name of an option of the command."""


def add_options(parser: Any, cls: type, *, without: Collection[str] = ()) -> None:
    """Add a command-line option for each option of a dataclass, except those in `without`."""
    for field, _ in options_in(cls):
        if field.name not in without:
            add_option(parser, cls, field.name)


def add_option(parser: Any, cls: type, name: str, *, prefix: str = "") -> None:
    """Add a command-line option for one option of a dataclass to a parser or an argument group.

    The default is None, so that defaults are defined only in the class. The value is stored under the prefix and the
    name of the field.
    """
    field, described = next((field, described) for field, described in options_in(cls) if field.name == name)
    kind, text = type_of(cls, name), described.help.replace("%", "%%")
    if kind is bool:
        value = "store_false" if field.default is True else "store_true"
        assert described.flag or value == "store_true", f"{name} is True by default and needs a negative flag"
        parser.add_argument(_flag(name, described), dest=prefix + name, action=value, default=None, help=text)
    else:
        metavar = described.metavar or name.upper()
        parser.add_argument(_flag(name, described), dest=prefix + name, type=kind, metavar=metavar, help=text)


def _flag(name: str, described: Option) -> str:
    return described.flag or f"--{name.replace('_', '-')}"


def given_options(options: argparse.Namespace, cls: type, *, prefix: str = "") -> dict[str, Any]:
    """Return the options of a dataclass that the user has given, by field name."""
    names = [field.name for field, _ in options_in(cls)]
    return {name: value for name in names if (value := getattr(options, prefix + name, None)) is not None}


def add_backend_options(parser: argparse.ArgumentParser, part: str) -> None:
    """Add the options of one part of all backends, with an argument group for each set of backends.

    An option whose flag is one of the command itself is left out, with a warning.

    Parameters
    ----------
    parser : ArgumentParser
        Parser of a command.
    part : str
        Part of a `BackendSpec`: "connection", "submission" or "deployment".
    """
    users: dict[str, list[BackendSpec]] = {}
    for spec in specs().values():
        for field, _ in options_in(getattr(spec, part)):
            users.setdefault(field.name, []).append(spec)
    groups: dict[str, Any] = {" and ".join(specs()): parser}
    for name, having in users.items():
        title = " and ".join(spec.name for spec in having)
        if title not in groups:
            groups[title] = parser.add_argument_group(f"on {title}")
        try:
            add_option(groups[title], getattr(having[0], part), name, prefix=_BACKEND)
        except argparse.ArgumentError as error:  # a flag of another distribution must not stop the command
            _log.warning("the option %s of %s is left out of this command: %s", name, title, error)


def backend_of(options: argparse.Namespace) -> "Backend":
    """Create the backend selected by the options; call this once in a command."""
    return get_backend(options.backend, **backend_options(options, "connection"))


def backend_options(options: argparse.Namespace, part: str) -> dict[str, Any]:
    """Return the options that the user has given for one part of the chosen backend, after checking them.

    Raises
    ------
    JobError
        A value is not allowed, or only another backend supports an option.
    """
    chosen = spec_of(chosen_name(options.backend))
    cls = getattr(chosen, part)
    given = given_options(options, cls, prefix=_BACKEND)
    for spec in specs().values():
        for name in given_options(options, getattr(spec, part), prefix=_BACKEND).keys() - given.keys():
            flag = next(_flag(name, each) for field, each in options_in(getattr(spec, part)) if field.name == name)
            raise JobError(
                f"{flag} is not supported by this backend, {chosen.name}: leave it out, or name another --backend"
            )
    cls(**given)  # which checks them
    return given


class Tags(argparse.Action):
    """Action that collects KEY=VALUE pairs, each key once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Add one pair."""
        key, equals, value = values.partition("=")
        tags = getattr(namespace, self.dest)
        if not key or not equals or key in tags:
            parser.error(f"--tag must be KEY=VALUE, each key once, not {values!r}")
        setattr(namespace, self.dest, {**tags, key: value})
