"""Command-line options from the fields of a dataclass, and the values that the user has given for them."""

import argparse
from collections.abc import Collection
from typing import Any

from mnistlib.backends.spec import chosen_name, spec_of, specs
from mnistlib.errors import JobError
from mnistlib.options import options_in, type_of

__all__ = ["Tags", "add_backend_options", "add_options", "backend_options", "given_options"]


def add_options(parser: Any, cls: type, *, without: Collection[str] = ()) -> None:
    """Add a command-line option for each option of a dataclass.

    Its default is None, so that the class alone knows its defaults.

    Parameters
    ----------
    parser : ArgumentParser or argument group
        Where to add them.
    cls : type
        The dataclass.
    without : collection of str
        Names of fields to leave out.
    """
    for field, described in options_in(cls):
        kind = type_of(cls, field.name)
        flag = described.flag or f"--{field.name.replace('_', '-')}"
        if field.name in without:
            continue
        if kind is bool:
            value = "store_false" if field.default is True else "store_true"
            assert described.flag or value == "store_true", f"name the flag that says no to {field.name}"
            parser.add_argument(flag, dest=field.name, action=value, default=None, help=described.help)
        else:
            parser.add_argument(flag, dest=field.name, type=kind, metavar=described.metavar, help=described.help)


def given_options(options: argparse.Namespace, cls: type) -> dict[str, Any]:
    """Return the options of a dataclass that the user has given, by field name."""
    names = [field.name for field, _ in options_in(cls)]
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def add_backend_options(parser: argparse.ArgumentParser, part: str) -> None:
    """Add the options of one part of all backends, a group for those that the same backends have.

    Parameters
    ----------
    parser : ArgumentParser
        The parser of a command.
    part : str
        "connection", "submission" or "deployment", as a `BackendSpec` has them.
    """
    users: dict[str, list[str]] = {}
    classes = {spec.name: getattr(spec, part) for spec in specs().values()}
    for name, cls in classes.items():
        for field, _ in options_in(cls):
            users.setdefault(field.name, []).append(name)
    groups: dict[str, Any] = {}
    for name, cls in classes.items():
        for field, _ in options_in(cls):
            of = users[field.name]
            if name != of[0]:
                continue
            title = " and ".join(of)
            if title not in groups:
                groups[title] = parser if len(of) == len(classes) else parser.add_argument_group(f"on {title}")
            others = [other.name for other, _ in options_in(cls) if other.name != field.name]
            add_options(groups[title], cls, without=others)


def backend_options(options: argparse.Namespace, part: str) -> dict[str, Any]:
    """Return the options that the user has given for one part of the chosen backend.

    Raises
    ------
    JobError
        An option of another backend is given.
    """
    chosen = spec_of(chosen_name(options.backend))
    given = given_options(options, getattr(chosen, part))
    for spec in specs().values():
        for name in given_options(options, getattr(spec, part)).keys() - given.keys():
            flag = next(each.flag for field, each in options_in(getattr(spec, part)) if field.name == name)
            flag = flag or f"--{name.replace('_', '-')}"
            raise JobError(f"{flag} means nothing to this backend: leave it out, or name another --backend")
    return given


class Tags(argparse.Action):
    """Collects KEY=VALUE pairs, each key once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Add one pair."""
        key, equals, value = values.partition("=")
        tags = getattr(namespace, self.dest)
        if not key or not equals or key in tags:
            parser.error(f"--tag must be KEY=VALUE, each key once, not {values!r}")
        setattr(namespace, self.dest, {**tags, key: value})
