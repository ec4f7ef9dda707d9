"""Run a script like ``python script.py``, and send the metrics it has logged with azureml-core before it ends.

azureml-core sends metrics in batches, and not at exit: the workspace wraps scripts in the same way.
"""

import runpy
import sys
from pathlib import Path

from mnistlib.backends.azureml.node import flush_if_used


def main() -> None:
    """Run the script whose path is the first command-line argument, with the rest as its arguments."""
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        flush_if_used()


if __name__ == "__main__":
    main()
