"""The command report: a run as one HTML file."""

import argparse

from mnistlib.cli.output import store_of
from mnistlib.report import write_report


def report(options: argparse.Namespace) -> None:
    """Write one HTML file that shows a run, and print where it is."""
    folder = store_of(options).find(options.run).resolve()
    print(write_report(folder, options.output or f"{folder.name}.html", data_folder=options.data_folder))
