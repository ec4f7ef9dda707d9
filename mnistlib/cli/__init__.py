"""The command line: results on stdout, talk on stderr.

Exit status: 0, or 1 for a failure that was foreseen (one line says what to do), 2 for wrong usage, 130 after Ctrl-C.
This module and the parser import nothing heavy, so that ``--help`` is instant. A command imports its own parts when it
is run.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from mnistlib.cli.log_output import configure_logging
from mnistlib.cli.output import print_answer
from mnistlib.cli.parser import make_parser, with_action
from mnistlib.errors import JobError, JobFailedError, MnistlibError

_INTERRUPTED = 130
_BROKEN_PIPE = 141  # what a shell reports for a command that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name. Default: those of this process.

    Returns
    -------
    int
        The exit status.
    """
    _open_streams()
    arguments = with_action(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser(arguments)
    options = parser.parse_args(arguments)
    configure_logging(quiet=options.quiet)
    _write_whatever_comes()
    try:
        status = _run(parser, options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left; nothing more may be written, not even by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return status


def _write_whatever_comes() -> None:
    """Let what standard output's encoding lacks, such as the blocks of a drawing in ASCII, be question marks."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def _open_streams() -> None:
    """Put a stream that goes nowhere in place of one that the caller has closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - it lives on


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
        # The log's tail, which a failed job's error carries, was shown while it ran.
        text = error.reason if isinstance(error, JobFailedError) else str(error)
        print(f"mnistlib: error: {' '.join(text.split())}", file=sys.stderr)
        return 1
    return 0
