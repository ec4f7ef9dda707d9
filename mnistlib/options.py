"""Options declared as fields of a dataclass, with their help text and check.

An option is declared once, as a field. `check_options` checks its value, JSON stores it under the field's name, and the
command line derives a flag from it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any, get_args, get_type_hints

from mnistlib.errors import JobError

__all__ = ["Option", "check_options", "choice", "option", "options_in", "positive", "share", "type_of", "whole"]

_KEY = "option"

Check = Callable[[str, Any], None]
"""Takes a name and a value, and raises JobError if the value is invalid."""


@dataclass(frozen=True)
class Option:
    """Description of an option.

    Attributes
    ----------
    help : str
        Help text, one line.
    metavar : str or None
        Name of the value in ``--help``.
    check : callable or None
        Check of the value.
    flag : str or None
        Command-line flag; by default derived from the field's name.
    """

    help: str
    metavar: str | None = None
    check: Check | None = None
    flag: str | None = None


def option(
    default: Any, text: str, *, metavar: str | None = None, check: Check | None = None, flag: str | None = None
) -> Any:
    """Return a dataclass field that is an option with the help text `text`."""
    return field(default=default, metadata={_KEY: Option(text, metavar, check, flag)})


def options_in(cls: type) -> Iterator[tuple[Field[Any], Option]]:
    """Yield the fields of a dataclass that are options."""
    for each in fields(cls):
        if _KEY in each.metadata:
            yield each, each.metadata[_KEY]


def type_of(cls: type, name: str) -> type:
    """Return the type of a field's values, without None.

    Examples
    --------
    >>> from mnistlib import TrainJob
    >>> type_of(TrainJob, "limit")
    <class 'int'>
    """
    hint = get_type_hints(cls)[name]
    found: type = next((part for part in get_args(hint) if part is not type(None)), hint)
    return found


def check_options(instance: Any) -> None:
    """Check the values of all options of a dataclass.

    Raises
    ------
    JobError
        A value is invalid; the message lists the allowed values.
    """
    for each, described in options_in(type(instance)):
        value = getattr(instance, each.name)
        if described.check is not None and not (value is None and each.default is None):
            described.check(each.name, value)


def positive(name: str, value: Any) -> None:
    """Refuse a value that is not a finite number above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        raise JobError(f"{name} must be a finite number above 0, not {value!r}")


def share(name: str, value: Any) -> None:
    """Refuse a value that is not a number from 0 to below 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise JobError(f"{name} must be a number from 0 to below 1, not {value!r}")


def whole(least: int, most: int | None = None) -> Check:
    """Return a check that a value is a whole number in a range."""

    def check(name: str, value: Any) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or value < least or (most is not None and value > most):
            upper = "" if most is None else f" and at most {most}"
            raise JobError(f"{name} must be a whole number, at least {least}{upper}, not {value!r}")

    return check


def choice(*choices: str) -> Check:
    """Return a check that a value is one of the choices."""

    def check(name: str, value: Any) -> None:
        if value not in choices:
            raise JobError(f"{name} must be one of {', '.join(choices)}, not {value!r}")

    return check
