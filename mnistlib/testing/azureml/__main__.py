"""Start the service for other processes: ``python -m mnistlib.testing.azureml``."""

import argparse
import shlex
import signal
import sys
import threading

from mnistlib.testing.azureml.compute.nodes import ENVIRONMENTS
from mnistlib.testing.azureml.emulator import AzureMLEmulator


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; print first what others need to know."""
    parser = argparse.ArgumentParser(
        prog="python -m mnistlib.testing.azureml",
        description="An Azure ML service on loopback. Prints the variables to export; Ctrl-C ends it.",
    )
    parser.add_argument(
        "--folder", help="where the state is kept, for the next start too (default: a temporary folder)"
    )
    parser.add_argument("--port", type=int, default=0, help="the proxy's port (default: a free one)")
    parser.add_argument("--environments", choices=ENVIRONMENTS, default="host", help="what jobs run in (default: host)")
    parser.add_argument(
        "--node-start-seconds", type=float, default=0.0, metavar="S", help="how long a node takes to come"
    )
    parser.add_argument(
        "--node-idle-seconds", type=float, default=120.0, metavar="S", help="how long it stays without work"
    )
    parser.add_argument("--vm-quota", type=int, metavar="CORES", help="what all clusters together may grow to")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        return _serve(AzureMLEmulator(**vars(options)), stopped)
    except (OSError, RuntimeError) as error:  # a port that is taken, a folder that another one serves
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return 1


def _serve(emulator: AzureMLEmulator, stopped: threading.Event) -> int:
    with emulator as service:
        for name, value in service.environment.items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.write(f"# Workspace.from_config({str(service.config_path)!r}); Ctrl-C ends the service\n")
        sys.stdout.flush()
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
