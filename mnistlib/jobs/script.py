"""Job that runs a script of the user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, ClassVar

from mnistlib.errors import JobError
from mnistlib.jobs.job import Job, Outcome, require_path
from mnistlib.jobs.process import run_script
from mnistlib.jobs.source import SOURCE, Script, source_files
from mnistlib.runs import RunContext


@dataclass(frozen=True)
class ScriptJob(Job, Script):
    """Run a Python script, unchanged, in a process of its own.

    The script runs in a copy of its source folder; runs folders, wherever they lie, are no part of that. What it prints
    becomes the run's log, what it leaves in ``outputs/`` the run's outputs, and its exit status the run's. It logs
    metrics with ``mnistlib.current_run().log_metric(...)``; scripts that log with
    the SDK of a cluster's backend run as they are where that SDK is installed.

    Attributes
    ----------
    script : str
        The script's path below the source folder.
    arguments : sequence of str
        What it is given on the command line; numbers and paths are made text.
    source_directory : str
        The folder that holds the script and whatever it imports.
    environment : mapping of str to str
        Environment variables for it, beside those of this process.

    Raises
    ------
    JobError
        If a value is not allowed; the message says which are.

    Examples
    --------
    >>> import mnistlib
    >>> job = mnistlib.ScriptJob(script="train.py", arguments=["--penalty", 1.5])
    >>> job.arguments
    ('--penalty', '1.5')
    """

    type: ClassVar[str] = "script"
    title: ClassVar[str] = "script run"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_path(self, "script")
        require_path(self, "source_directory")
        if PurePath(self.script).is_absolute() or ".." in PurePath(self.script).parts:
            raise JobError(f"script must be a path below source_directory, not {self.script!r}")
        arguments: Any = self.arguments
        if not isinstance(arguments, list | tuple) or not all(isinstance(item, _ARGUMENTS) for item in arguments):
            raise JobError(f"arguments must be a list of texts and numbers, not {self.arguments!r}")
        object.__setattr__(self, "arguments", tuple(str(item) for item in self.arguments))
        # A job may be run by a process that stands elsewhere.
        object.__setattr__(self, "source_directory", str(Path(self.source_directory).expanduser().absolute()))
        environment: Any = self.environment
        if not isinstance(environment, Mapping) or not all(
            isinstance(text, str) for pair in environment.items() for text in pair
        ):
            raise JobError(f"environment must map names of variables to texts, not {environment!r}")
        object.__setattr__(self, "environment", dict(environment))

    @property
    def variables(self) -> Mapping[str, str]:
        """The script's own environment variables."""
        return self.environment

    def content_elsewhere(self) -> dict[str, Any]:
        """Return the content of the job without its variables, and with the source folder of a node."""
        return super().content_elsewhere() | {"source_directory": SOURCE, "environment": {}}

    def files_elsewhere(self, runs_folder: Path | None, ignore_files: Sequence[str]) -> dict[str, Path]:
        """Return the files of the source folder; see :meth:`Job.files_elsewhere`."""
        return {f"{SOURCE}/{name}": path for name, path in source_files(self, runs_folder, ignore_files).items()}

    def execute(self, context: RunContext) -> Outcome:
        """Run the script to its end; see :meth:`Job.execute`."""
        return Outcome(cancelled=not run_script(self, context))


_ARGUMENTS = (str, int, float, PurePath)
