"""Execution of a script in its own process group."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import chain
from pathlib import Path

from mnistlib.environment import RUN
from mnistlib.errors import JobError, ScriptFailedError
from mnistlib.jobs.source import Script, left_out_error, reading, walk_source
from mnistlib.runs import RunContext
from mnistlib.runs.context import LOG_FILE, OUTPUTS

#: Subfolder of the run folder with the copy of the script's source folder.
CODE = "code"

_POLL_INTERVAL = 0.05  # seconds between two checks for a request to cancel
_GRACE = 5  # seconds between SIGTERM and SIGKILL


def run_script(job: Script, context: RunContext) -> bool:
    """Run a script to its end.

    Returns
    -------
    bool
        Whether the script ran to its end; False if the run was cancelled.

    Raises
    ------
    JobError
        If the script is missing or excluded from its source folder, or a file of that folder cannot be read.
    ScriptFailedError
        If the exit status is not 0.
    """
    arguments = [str(argument) for argument in job.arguments]
    code = _copy_source(job, context.folder, context.runs_folder)
    context.log(f"running {job.script} {' '.join(arguments)}".rstrip())
    environment = os.environ | dict(job.environment)
    environment |= {RUN.name: str(context.folder.absolute()), "PYTHONUNBUFFERED": "1"}
    with (context.folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *context.script_launcher, job.script, *arguments],
            cwd=code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that a signal also reaches its child processes
        )
    try:
        finished = _wait(process, context)
    finally:
        _end_group(process)
        _collect_printed_metrics(context)
    if not finished:
        context.log("cancelled")
    elif process.returncode < 0:
        raise ScriptFailedError(f"{job.script} was ended by signal {signal.Signals(-process.returncode).name}")
    elif process.returncode > 0:
        raise ScriptFailedError(f"{job.script} ended with exit status {process.returncode}")
    return finished


def _copy_source(job: Script, folder: Path, runs_folder: Path | None) -> Path:
    """Copy the source folder, so that later edits do not affect the run and each run has its own ``outputs``."""
    source = Path(job.source_directory)
    if not (source / job.script).is_file():
        raise JobError(f"no script {job.script} in {source}: pass the folder that holds it as source_directory=")

    code = folder / CODE
    for below, names in walk_source(source, runs_folder=runs_folder, follow_links=True):
        (code / below).mkdir()
        for name in names:
            with reading():
                shutil.copy2(source / below / name, code / below / name)
    if not (code / job.script).is_file():
        raise left_out_error(job)
    outputs = folder / OUTPUTS
    outputs.mkdir(exist_ok=True)
    (code / OUTPUTS).symlink_to(outputs.absolute(), target_is_directory=True)
    return code


def _wait(process: "subprocess.Popen[bytes]", context: RunContext) -> bool:
    while True:
        try:
            process.wait(_POLL_INTERVAL)
        except subprocess.TimeoutExpired:
            if context.cancelled:
                return False
        else:
            return True


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End the script and its child processes, by SIGTERM, then by SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break  # no process is left
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    process.wait()


def _collect_printed_metrics(context: RunContext) -> None:
    log = (context.folder / LOG_FILE).read_text(encoding="utf-8", errors="replace") if context.metric_readers else ""
    for name, printed in chain.from_iterable(reader(log) for reader in context.metric_readers):
        try:
            context.log_metric(name, float(printed))
        except ValueError:
            context.log(f"metric {name} is not a number: {printed}")
