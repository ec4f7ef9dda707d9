"""The arguments that several commands share, each a function that adds it to a parser."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from typing import Any

from mnistlib.backends.spec import BACKEND_VARIABLE, specs
from mnistlib.cli.options import Tags, add_backend_options, add_option, add_options
from mnistlib.training.options import TrainingOptions

Add = Callable[[ArgumentParser], Any]
"""Adds one argument, or some that belong together, to the parser of a command."""

RUN_HELP = "id or folder of a run"
_SERVICE = "name of a service"


def argument(*names: str, **settings: Any) -> Add:
    """Return what adds an argument, described as for `ArgumentParser.add_argument`."""
    return lambda parser: parser.add_argument(*names, **settings)


def flag(name: str, text: str) -> Add:
    """Return what adds an option without a value; `text` is its help."""
    return argument(name, action="store_true", help=text)


def several(metavar: str, text: str) -> Add:
    """Return what adds an argument that names one thing or more of a kind."""
    return argument("chosen", nargs="+", metavar=metavar, help=text)


def number(name: str, default: int, text: str) -> Add:
    """Return what adds an option that is a whole number of at least 1."""
    return argument(name, type=_at_least_1, default=default, metavar="N", help=text)


def _at_least_1(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return value


def port_number(text: str) -> int:
    """Read the number of a port; 0 is one, too."""
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value <= 65_535:
        raise ArgumentTypeError(f"expected a number from 0 to 65535, not {text!r}")
    return value


data_folder = partial(add_option, cls=TrainingOptions, name="data_folder")
deployment = partial(add_backend_options, part="deployment")
json = flag("--json", "print one JSON object")
model = argument("model", metavar="NAME[:VERSION]", help="a registered model, by default its newest version")
run = argument("run", help=RUN_HELP)
runs = several("RUN", RUN_HELP)
service = argument("service", help=_SERVICE)
services = several("SERVICE", _SERVICE)
tags = argument("--tag", dest="tags", action=Tags, default={}, metavar="KEY=VALUE", help="note about it; repeatable")
training = partial(add_options, cls=TrainingOptions)
trust = flag("--trust", "load a pickle of unknown origin: it can run any code")
versions = several("NAME:VERSION", "a registered version")


def backend(parser: ArgumentParser) -> None:
    """Add the options that name a backend and connect it."""
    names = ", ".join(specs())
    parser.add_argument("--backend", help=f"where runs are: {names} (default: ${BACKEND_VARIABLE} or local)")
    add_backend_options(parser, "connection")


def answer(parser: ArgumentParser) -> None:
    """Add the options of a command that asks a backend for what it prints."""
    backend(parser)
    json(parser)


def submission(parser: ArgumentParser) -> None:
    """Add the options of the run that a job becomes."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, sent and run, and do nothing")
    parser.add_argument("--register-as", metavar="NAME", help="register the model when the job has completed")
    parser.add_argument("--experiment", default="default", help="name that runs of one purpose share")
    parser.add_argument("--name", help="what to call the run")
    tags(parser)
    add_backend_options(parser, "submission")
    answer(parser)
