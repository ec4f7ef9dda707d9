"""Backend that runs each job in a process of its own, on this machine."""

import subprocess
import sys

from mnistlib.backends.local import FolderBackend
from mnistlib.errors import BackendError


class ToyBackend(FolderBackend):
    """Runs jobs in processes of this machine.

    Parameters
    ----------
    runs_folder : str or PathLike, optional
        Folder of the runs.
    processes : int, default 1
        Jobs that run at a time.
    """

    def __init__(self, runs_folder=None, *, processes=1):
        super().__init__(runs_folder, max_workers=processes)

    def perform(self, run, work):
        """Wait for the process that does the work of a run."""
        program = "import sys; from mnistlib.backends.local import perform_in_folder; perform_in_folder(sys.argv[1])"
        done = subprocess.run([sys.executable, "-c", program, run.path], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BackendError(f"the process of run {run.id} ended with status {done.returncode}: {done.stderr}")
