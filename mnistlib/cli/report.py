"""The command report: a run as one HTML file."""

import argparse

from mnistlib.cli.output import backend_of
from mnistlib.report import write_report


def report(options: argparse.Namespace) -> None:
    """Write one HTML file that shows a run, and print where it is."""
    run = backend_of(options).attach(options.run)
    print(write_report(run, options.output or f"{run.id}.html", data_folder=options.data_folder))
