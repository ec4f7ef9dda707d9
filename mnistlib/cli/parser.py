"""The parser of the command line. It imports nothing heavy."""

import argparse
from collections.abc import Sequence
from typing import Any

from mnistlib.cli.grammar import COMMANDS, Command, Group

_NODE = "node"


def make_parser(arguments: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What is to be parsed: a command that it does not name gets no options, which would take most of the time.
    """
    parser = argparse.ArgumentParser(
        prog="mnistlib",
        description="Read IDX files, train logistic regression, keep the model.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, each in COMMANDS.items():
        if arguments is None or name in arguments:
            each.add_to(commands, name)
        else:
            commands.add_parser(name, help=each.purpose)
    if arguments is None or _NODE in arguments:
        _add_node(commands)
    return parser


def with_action(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the action "list" put in where a command that has actions is given none.

    Examples
    --------
    >>> with_action(["runs", "--json"])
    ['runs', 'list', '--json']
    """
    command, *rest = arguments or [""]
    named = rest and not rest[0].startswith("-")
    if not isinstance(COMMANDS.get(command), Group) or named or "-h" in rest or "--help" in rest:
        return list(arguments)
    return [command, "list", *rest]


def _add_node(commands: Any) -> None:
    """Add the command without a line of help, which a backend writes and no person."""
    node = Command("Run the job that lies here, on a cluster's node.", "node:node")
    parser = commands.add_parser(_NODE, description=node.purpose)
    parser.set_defaults(command=node.run, quiet=False, debug=False)
    # Version 0.1 said --service.
    parser.add_argument("--backend", "--service", required=True, help="name of the backend that has sent the job")
    parser.add_argument("--sweep", help="id of the sweep that lies here; this run is one of its runs, or itself")
    parser.add_argument("--trial", type=int, metavar="INDEX", help="index of the trial of the sweep that this run is")
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)  # of version 0.1: the trial's regularization
    parser.add_argument("--register-as", metavar="NAME", help="what to register the model as, in the end")
    parser.add_argument("--data", metavar="FOLDER", help="where the job's data set was brought")


class _Version(argparse.Action):
    """Prints the version; like argparse's own, but looks it up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from mnistlib._version import __version__

        print(f"mnistlib {__version__}")
        parser.exit()
