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
    """Run a Python script, unchanged, in its own process.

    The script runs in a copy of its source folder, without runs folders. Its printed output becomes the run's log, its
    files in ``outputs/`` become the run's outputs, and its exit status decides the run's status. It logs metrics with
    ``mnistlib.current_run().log_metric(...)``. A script that logs with the SDK of a cluster's backend needs no change
    if that SDK is installed.

    Attributes
    ----------
    script : str
        Path of the script, relative to the source folder.
    arguments : sequence of str
        Command-line arguments of the script; numbers and paths are converted to str.
    source_directory : str
        Folder of the script and of the modules that it imports.
    environment : mapping of str to str
        Environment variables of the script, in addition to those of this process.

    Raises
    ------
    JobError
        If a value is invalid; the message lists the allowed values.

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
            raise JobError(f"arguments must be a list of strings and numbers, not {self.arguments!r}")
        object.__setattr__(self, "arguments", tuple(str(item) for item in self.arguments))
        # The process that runs the job may have another current folder.
        object.__setattr__(self, "source_directory", str(Path(self.source_directory).expanduser().absolute()))
        environment: Any = self.environment
        if not isinstance(environment, Mapping) or not all(
            isinstance(text, str) for pair in environment.items() for text in pair
        ):
            raise JobError(f"environment must map names of variables to strings, not {environment!r}")
        object.__setattr__(self, "environment", dict(environment))

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables of the script."""
        return self.environment

    def content_elsewhere(self) -> dict[str, Any]:
        """Return the content of the job without its environment variables, with the source folder on a node."""
        return super().content_elsewhere() | {"source_directory": SOURCE, "environment": {}}

    def files_elsewhere(self, runs_folder: Path | None, ignore_files: Sequence[str]) -> dict[str, Path]:
        """Return the files of the source folder; see :meth:`Job.files_elsewhere`."""
        return {f"{SOURCE}/{name}": path for name, path in source_files(self, runs_folder, ignore_files).items()}

    def execute(self, context: RunContext) -> Outcome:
        """Run the script to its end; see :meth:`Job.execute`."""
        return Outcome(cancelled=not run_script(self, context))


_ARGUMENTS = (str, int, float, PurePath)
