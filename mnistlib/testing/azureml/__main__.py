"""Run the emulator for other processes: ``python -m mnistlib.testing.azureml``."""

import argparse
import shlex
import signal
import sys
import threading

from mnistlib.testing.azureml.compute.nodes import ENVIRONMENTS
from mnistlib.testing.azureml.coverage import coverage_page
from mnistlib.testing.azureml.emulator import AzureMLEmulator


def main(arguments: list[str] | None = None) -> int:
    """Print the environment variables for clients, then serve until a signal."""
    parser = argparse.ArgumentParser(
        prog="python -m mnistlib.testing.azureml",
        description="An emulator of Azure ML on loopback. Prints the variables to export; Ctrl-C ends it.",
    )
    parser.add_argument(
        "--folder", help="folder of the state, which the next start continues (default: a temporary folder)"
    )
    parser.add_argument("--port", type=int, default=0, help="port of the proxy (default: a free one)")
    parser.add_argument(
        "--environments",
        choices=ENVIRONMENTS,
        default="host",
        help="packages for jobs: from this interpreter, or from pip (default: host)",
    )
    parser.add_argument("--node-start-seconds", type=float, default=0.0, metavar="S", help="start time of a node")
    parser.add_argument(
        "--node-idle-seconds", type=float, default=120.0, metavar="S", help="idle time before a node is released"
    )
    parser.add_argument("--vm-quota", type=int, metavar="CORES", help="limit on the cores of all clusters together")
    parser.add_argument(
        "--coverage", action="store_true", help="print the page of covered routes, in Markdown, and exit"
    )
    options = vars(parser.parse_args(arguments))
    if options.pop("coverage"):
        sys.stdout.write(coverage_page())
        return 0
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        return _serve(AzureMLEmulator(**options), stopped)
    except (OSError, RuntimeError) as error:  # the port is taken, or another emulator serves the folder
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return 1


def _serve(emulator: AzureMLEmulator, stopped: threading.Event) -> int:
    with emulator:
        for name, value in emulator.environment.items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.write(f"# Workspace.from_config({str(emulator.config_path)!r}); Ctrl-C ends the emulator\n")
        sys.stdout.flush()
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
