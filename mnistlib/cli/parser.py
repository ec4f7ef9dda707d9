"""Parser of the command line. This module imports only light modules."""

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
        Arguments to parse. To save time, options are added only to the commands that occur in them.
    """
    parser = argparse.ArgumentParser(
        prog="mnistlib",
        description="Read IDX files, train logistic regression, manage runs and models.",
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
    """Return the arguments, with the action "list" inserted if a command with actions has none.

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
    """Add the internal command of a cluster's node, hidden from the list of commands."""
    node = Command("Run the job in the current folder, on a cluster's node.", "node:node")
    parser = commands.add_parser(_NODE, description=node.purpose)
    parser.set_defaults(command=node.run, quiet=False, debug=False)
    # The option was called --service in version 0.1.
    parser.add_argument("--backend", "--service", required=True, help="name of the backend that submitted the job")
    parser.add_argument("--sweep", help="id of the sweep in this folder; the run is one of its trials or the sweep")
    parser.add_argument("--trial", type=int, metavar="INDEX", help="index of the trial to run")
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)  # the trial's regularization, in version 0.1
    parser.add_argument("--register-as", metavar="NAME", help="name under which to register the model")
    parser.add_argument("--data", metavar="FOLDER", help="folder of the job's data set on this node")


class _Version(argparse.Action):
    """Action that prints the version; unlike argparse's own, it reads the version only when used."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from mnistlib._version import __version__

        print(f"mnistlib {__version__}")
        parser.exit()
