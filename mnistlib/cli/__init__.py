"""Command line: results on stdout, messages on stderr.

Exit status: 0 on success, 1 for an expected failure (one line with advice on stderr), 2 for wrong usage, 130 after
Ctrl-C. This module and the parser import only light modules, so that ``--help`` is fast. Each command imports its other
modules when it runs.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from mnistlib._distribution import REMEDY, conflict, is_replaced
from mnistlib.cli.log_output import configure_logging
from mnistlib.cli.output import print_answer
from mnistlib.cli.parser import make_parser, with_action
from mnistlib.errors import JobError, JobFailedError, MnistlibError

_INTERRUPTED = 130
_BROKEN_PIPE = 141  # exit status in a shell after SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments without the program's name. Default: those of this process.

    Returns
    -------
    int
        Exit status.
    """
    _open_streams()
    if is_replaced():
        print(f"mnistlib: error: {conflict()}. {REMEDY}", file=sys.stderr)
        return 1
    arguments = with_action(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser(arguments)
    options = parser.parse_args(arguments)
    configure_logging(quiet=options.quiet)
    _replace_unencodable_characters()
    try:
        status = _run(parser, options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of stdout has closed the pipe; also the interpreter's final flush must not write to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return status


def _replace_unencodable_characters() -> None:
    """Write question marks for characters that stdout cannot encode, such as block elements in ASCII."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def _open_streams() -> None:
    """Replace a closed stdout or stderr by the null device."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - stays open


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    try:
        answer = options.command(options)
        if answer is not None:
            print_answer(answer, options)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        print("mnistlib: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except JobError as error:
        if options.debug:
            raise
        parser.error(str(error))
    except (MnistlibError, OSError) as error:
        if options.debug:
            raise
        # Leave out the log's tail in the error of a failed job: the log was shown during the run.
        text = error.reason if isinstance(error, JobFailedError) else str(error)
        print(f"mnistlib: error: {' '.join(text.split())}", file=sys.stderr)
        return 1
    return 0
