"""Checks of ``mnistlib doctor --backend toy``."""

import subprocess
import sys

from mnistlib.backends import checks


def steps(runs_folder=None, processes=1):
    """Return the checks: those of this machine, and whether a process starts."""
    return [*checks.steps(runs_folder=runs_folder), checks.Step(name="processes", look=_start_one)]


def _start_one():
    try:
        subprocess.run([sys.executable, "-c", "import mnistlib"], check=True)
    except subprocess.CalledProcessError as error:
        raise checks.Wrong(f"a process ended with status {error.returncode}", "Install mnistlib again.") from error
    return "a process imports mnistlib"
