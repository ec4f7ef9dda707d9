"""The process of a job or a service: all that it starts ends with it, and it ends with the emulator, even if killed."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

#: Waits for the end of its input, which nobody writes to: that is the emulator's own end.
_GUARD = ("/bin/sh", "-c", 'read _; kill -9 "-$1"', "guard")


#: Variables that say which kernels linear algebra uses. Each rounds in its own way, and a node is this machine.
_KERNELS = ("OPENBLAS_CORETYPE", "MKL_CBWR")


def bare_variables(folder: Path, python: Path) -> dict[str, str]:
    """Return the variables that any process on a node has, with its home and temporary files in this folder."""
    return {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # so that the log can be followed
        **{name: os.environ[name] for name in _KERNELS if name in os.environ},
    }


class JobProcess:
    """A process in a session of its own, with a guard that outlives the emulator by a moment.

    Parameters
    ----------
    command : sequence of str
        What to run.
    folder : Path
        Where.
    variables : mapping of str to str
        Its whole environment.
    output : binary file
        For what it prints.
    inherited : collection of int
        The numbers of the open files that it shall have besides, under the same numbers.
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
        self._process = subprocess.Popen(  # noqa: S603 - running what was submitted is its work
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
        """Return the exit status; None if it has not ended within some seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, grace_seconds: float = 0) -> int:
        """End the process and all its children: politely first, if there is time for it. Return the exit status."""
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
