"""Processes of jobs and deployed models: their children end with them, and they with the emulator, even if killed."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

#: Waits for the end of its input, a pipe that is closed when the emulator ends.
_GUARD = ("/bin/sh", "-c", 'read _; kill -9 "-$1"', "guard")

#: Variables that choose the kernels of linear algebra: kernels round differently, and a node is this machine.
_KERNELS = ("OPENBLAS_CORETYPE", "MKL_CBWR")


def bare_variables(folder: Path, python: Path) -> dict[str, str]:
    """Return the variables of any process on a node, with its home and temporary files in this folder."""
    return {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # so that the log can be followed
        **{name: os.environ[name] for name in _KERNELS if name in os.environ},
    }


class JobProcess:
    """A process in a session of its own, with a guard process that ends it when the emulator ends.

    `variables` are its whole environment, `output` receives stdout and stderr, and `inherited` are the numbers of
    further open files that it inherits.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        variables: Mapping[str, str],
        output: IO[bytes],
        inherited: Collection[int] = (),
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - it runs submitted code by design
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            start_new_session=True,
        )
        self._guard = subprocess.Popen(  # noqa: S603
            [*_GUARD, str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self, seconds: float) -> int | None:
        """Return the exit status; None if the process has not ended in time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, grace_seconds: float = 0) -> int:
        """End the process and all its children, if asked after SIGTERM and a grace period; return the exit status."""
        if grace_seconds:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self.wait(grace_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self._guard.kill()
        self._guard.communicate()
        return code
