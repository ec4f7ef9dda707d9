"""Arguments shared by several commands, each as a function that adds it to a parser."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from typing import Any

from mnistlib.backends.spec import specs
from mnistlib.cli.options import Tags, add_backend_options, add_option, add_options
from mnistlib.environment import BACKEND
from mnistlib.training.options import TrainingOptions

Add = Callable[[ArgumentParser], Any]
"""Adds one argument, or several related ones, to the parser of a command."""

RUN_HELP = "id or folder of a run"
_SERVICE = "name of a service"


def argument(*names: str, **settings: Any) -> Add:
    """Return a function that adds an argument, with the parameters of `ArgumentParser.add_argument`."""
    return lambda parser: parser.add_argument(*names, **settings)


def flag(name: str, text: str) -> Add:
    """Return a function that adds an option without a value, with the help `text`."""
    return argument(name, action="store_true", help=text)


def several(metavar: str, text: str) -> Add:
    """Return a function that adds an argument with one or more values."""
    return argument("chosen", nargs="+", metavar=metavar, help=text)


def number(name: str, default: int, text: str) -> Add:
    """Return a function that adds an option with a whole number of at least 1."""
    return argument(name, type=_at_least_1, default=default, metavar="N", help=text)


def renamed(old: str, new: str) -> Add:
    """Return a function that adds the former name of an option that `number` has added, hidden from ``--help``."""
    return argument(old, dest=new.strip("-").replace("-", "_"), type=_at_least_1, default=SUPPRESS, help=SUPPRESS)


def _at_least_1(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return value


def port_number(text: str) -> int:
    """Parse a port number; 0 is allowed."""
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value <= 65_535:
        raise ArgumentTypeError(f"expected a number from 0 to 65535, not {text!r}")
    return value


data_folder = partial(add_option, cls=TrainingOptions, name="data_folder")
deployment = partial(add_backend_options, part="deployment")
json = flag("--json", "print one JSON object")
model = argument("model", metavar="NAME[:VERSION]", help="registered model (default: its newest version)")
run = argument("run", help=RUN_HELP)
runs = several("RUN", RUN_HELP)
service = argument("service", help=_SERVICE)
services = several("SERVICE", _SERVICE)
tags = argument("--tag", dest="tags", action=Tags, default={}, metavar="KEY=VALUE", help="tag; repeatable")
training = partial(add_options, cls=TrainingOptions)
trust = flag("--trust", "load a pickle of unknown origin, which can execute arbitrary code")
versions = several("NAME:VERSION", "registered version")


def backend(parser: ArgumentParser) -> None:
    """Add the options that select a backend and connect to it."""
    default = f"${BACKEND.name} or {BACKEND.default}"
    parser.add_argument("--backend", help=f"backend of the runs: {', '.join(specs())} (default: {default})")
    add_backend_options(parser, "connection")


def answer(parser: ArgumentParser) -> None:
    """Add the options of a command that prints results from a backend."""
    json(parser)
    backend(parser)  # last: an option of a backend never takes the flag of the command itself


def submission(parser: ArgumentParser) -> None:
    """Add the options for submitting a job."""
    parser.add_argument("--dry-run", action="store_true", help="print the plan of the submission without executing it")
    parser.add_argument("--register-as", metavar="NAME", help="register the model under NAME after the job completes")
    parser.add_argument("--experiment", default="default", help="name of a group of runs (default: default)")
    parser.add_argument("--name", help="name of the run")
    tags(parser)
    json(parser)
    add_backend_options(parser, "submission")
    backend(parser)
