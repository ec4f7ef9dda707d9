"""Nodes: each runs one submitted job in a process that has only the files and packages of the submission."""

import contextlib
import logging
import os
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mnistlib.testing.azureml.code.snapshots import fetch_snapshot
from mnistlib.testing.azureml.compute.process import JobProcess, bare_variables
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER, run_blob
from mnistlib.testing.azureml.data.delivery import deliver, upload_outputs
from mnistlib.testing.azureml.environments.builds import ImageBuildError, Python, build_python
from mnistlib.testing.azureml.runs.records import failure
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

logger = logging.getLogger(__name__)

ENVIRONMENTS = ("host", "venv")

_BEAT = 0.25  # seconds between two checks of a job
_TAIL = 1 << 16
_OUTPUT_FOLDERS = ("outputs", "logs")
_LOG, _BUILD_LOG = "user_logs/std_log.txt", "azureml-logs/20_image_build_log.txt"

#: Runs a script as Azure does: azureml-core sends metrics in batches, and the last batch only when it is flushed.
_WRAPPER = """\
import os, runpy, sys
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    if "azureml.core" in sys.modules:
        from azureml.core import Run
        Run.get_context().flush()
"""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Configuration of all nodes."""

    state: State
    reach: Callable[[], dict[str, str]]  # returns the variables by which a job reaches the emulator
    environments: str  # kind of interpreter for jobs
    builder: Callable[[], dict[str, str]]  # returns the variables for pip, which must reach a package index
    collect_seconds: float  # interval in which the files of a running job are collected

    def python_for(self, environment: Document) -> Python:
        """Return the interpreter for a submitted environment; build it if necessary."""
        folder = self.state.folder / "environments"
        return build_python(environment, kind=self.environments, folder=folder, builder=self.builder())


class Job:
    """A run on a node; it has `grace_seconds` to clean up after its cancellation."""

    def __init__(self, nodes: Nodes, run_id: str, *, grace_seconds: float) -> None:
        self.run_id = run_id
        self._nodes = nodes
        self._state = nodes.state
        self._grace_seconds = grace_seconds
        self._cancelled = threading.Event()
        self._preempted = threading.Event()
        self._folder = nodes.state.folder / "nodes" / run_id
        self._work = self._folder / "work"
        self._sent: dict[Path, tuple[int, int]] = {}

    def cancel(self) -> None:
        """Request the end of the job."""
        self._cancelled.set()

    def preempt(self) -> None:
        """Take the node away."""
        self._preempted.set()

    def run(self) -> Literal["done", "preempted"]:
        """Run the job to its end, which gives its run a final status, unless the node is taken away."""
        try:
            self._state.runs.move(self.run_id, "Preparing")
            code = self._run()
            if self._preempted.is_set():
                self._state.runs.end_children(self.run_id)
                return "preempted"
            self._state.runs.move(self.run_id, "Finalizing")
            self._finish(code)
        except ImageBuildError as error:
            self._write_build_log(error.log)
            self._fail(f"Image build failed. {error}", code="ImageBuildFailure")
        except OSError as error:
            self._fail(f"The node failed: {error}", code="SystemError")
        except Exception as error:
            # A bug of the emulator: without a final status clients would wait forever.
            logger.exception("the emulator could not run %s", self.run_id)
            self._fail(f"The emulator failed: {type(error).__name__}: {error}", code="SystemError")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        return "done"

    def _run(self) -> int:
        """Prepare the node, run the job's process and collect its files; return the exit status."""
        submission = self._state.store.get("submission", self.run_id)
        assert submission is not None
        if self._state.faults.of_node("image_build", self.run_id):
            log = "no space left in the registry\n"
            raise ImageBuildError("The environment could not be built, on purpose.", log=log)
        configuration = submission["Configuration"]
        environment = configuration.get("environment") or {}
        python = self._nodes.python_for(environment)
        self._write_build_log(python.log)
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("work/outputs", "work/logs", "home", "tmp", "setup", "data"):
            (self._folder / name).mkdir(parents=True)
        fetch_snapshot(self._state, submission["SnapshotId"], self._work)
        paths = deliver(self._state, configuration, self._folder / "data")
        variables = self._variables(python) | paths.variables
        variables |= environment.get("environmentVariables") or {}
        variables |= configuration.get("environmentVariables") or {}
        limit = configuration.get("maxRunDurationSeconds")
        if self._cancelled.is_set() or self._preempted.is_set():
            return 0  # the job was cancelled during the preparation
        code = self._supervise(self._command(configuration, python, paths.replace), variables, limit)
        if not self._preempted.is_set():
            upload_outputs(self._state, configuration, paths)
        return code

    def _command(self, configuration: Document, python: Python, replace: Callable[[str], str]) -> list[str]:
        command = configuration.get("command")
        if command:
            text = command if isinstance(command, str) else shlex.join(str(part) for part in command)
            return ["/bin/bash", "-c", replace(text)]
        wrapper = self._folder / "setup" / "run_script.py"
        wrapper.write_text(_WRAPPER)
        arguments = [replace(str(argument)) for argument in configuration.get("arguments") or []]
        return [str(python.executable), str(wrapper), configuration["script"], *arguments]

    def _variables(self, python: Python) -> dict[str, str]:
        """Return the whole environment of the job's process, which inherits nothing from this one."""
        names = self._state.names
        run = self._state.runs.get(self.run_id)
        assert run is not None
        token = self._state.tokens.issue(runId=self.run_id, tid=names.tenant, oid=names.client)
        return {
            **bare_variables(self._folder, python.executable),
            **self._nodes.reach(),
            "AZURE_CONFIG_DIR": str(self._folder / "home" / "no-azure-config"),
            "AZUREML_RUN_ID": self.run_id,
            "AZUREML_ROOT_RUN_ID": run["rootRunId"],
            "AZUREML_RUN_TOKEN": token,
            "AZUREML_ARM_SUBSCRIPTION": names.subscription,
            "AZUREML_ARM_RESOURCEGROUP": names.group,
            "AZUREML_ARM_WORKSPACE_NAME": names.workspace,
            "AZUREML_ARM_PROJECT_NAME": run["experimentName"],
            "AZUREML_EXPERIMENT_ID": run["experimentId"],
            "AZUREML_WORKSPACE_ID": names.workspace_id,
            "AZUREML_SERVICE_ENDPOINT": f"https://{names.api_host}",
            "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"https://{names.discovery_host}/discovery",
            "MLFLOW_TRACKING_URI": names.tracking_uri,
            "MLFLOW_TRACKING_TOKEN": token,
            "MLFLOW_RUN_ID": self.run_id,
            "MLFLOW_EXPERIMENT_ID": run["experimentId"],
            "MLFLOW_EXPERIMENT_NAME": run["experimentName"],
        }

    def _supervise(self, command: list[str], variables: dict[str, str], limit: float | None) -> int:
        name = run_blob(self.run_id, _LOG)
        log = self._state.blobs.prepare(RUN_CONTAINER, name)
        log.unlink(missing_ok=True)
        with log.open("ab") as output:
            self._state.blobs.note(RUN_CONTAINER, name, content_type="text/plain")
            process = JobProcess(command, folder=self._work, variables=variables, output=output)
        self._state.runs.move(self.run_id, "Running")
        try:
            self._watch(process, limit)
        finally:
            code = process.end()  # with the children that a job leaves behind
        self._collect()
        return code

    def _watch(self, process: JobProcess, limit: float | None) -> None:
        """Wait for the process and collect its files; end it on cancellation, preemption, fault or time limit."""
        start = time.monotonic()
        preemption = self._state.faults.of_node("preempted", self.run_id)
        disk_full = self._state.faults.of_node("node_disk_full", self.run_id)
        collected = start
        while True:
            if process.wait(_BEAT) is not None:
                return
            seconds = time.monotonic() - start
            if time.monotonic() - collected >= self._nodes.collect_seconds:
                self._collect()
                collected = time.monotonic()
            if preemption is not None and seconds >= preemption.seconds:
                self._preempted.set()
            if self._preempted.is_set():
                process.end()
            if self._cancelled.is_set():
                process.end(self._grace_seconds)
            if disk_full is not None and seconds >= disk_full.seconds:
                raise OSError(28, "No space left on device")
            if limit is not None and seconds >= limit:
                raise OSError(62, f"The job has run for longer than {limit:g} seconds, its own limit")

    def _collect(self) -> None:
        """Store the files of outputs/ and logs/ that are new or changed."""
        for root in _OUTPUT_FOLDERS:
            for file in sorted((self._work / root).rglob("*")):
                if not file.is_file() or (file.name.startswith(".") and file.name.endswith(".part")):
                    continue
                with contextlib.suppress(FileNotFoundError):  # the job may rename or delete files at any time
                    facts = file.stat()
                    mark = (facts.st_mtime_ns, facts.st_size)
                    if self._sent.get(file) != mark:
                        name = run_blob(self.run_id, file.relative_to(self._work).as_posix())
                        self._state.blobs.put_file(RUN_CONTAINER, name, file)
                        self._sent[file] = mark

    def _finish(self, code: int) -> None:
        if self._cancelled.is_set():
            self._state.runs.move(self.run_id, "Canceled")
            self._state.runs.end_children(self.run_id)
        elif code == 0:
            self._state.runs.move(self.run_id, "Completed")
        else:
            self._fail(_reason(code, self._log_tail()), code="UserError")

    def _fail(self, message: str, *, code: str) -> None:
        self._state.runs.move(self.run_id, "Failed", error=failure(message, code=code))
        self._state.runs.end_children(self.run_id)

    def _log_tail(self) -> str:
        with self._state.blobs.file(RUN_CONTAINER, run_blob(self.run_id, _LOG)).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
            return log.read().decode(errors="replace")

    def _write_build_log(self, text: str) -> None:
        self._state.blobs.put_bytes(RUN_CONTAINER, run_blob(self.run_id, _BUILD_LOG), text.encode())


def _reason(code: int, log: str) -> str:
    """Return the error message of a failed job: the error of its last traceback, else its exit status."""
    last = log.rstrip().rpartition("\n")[2]
    _, has_traceback, after = log.rpartition("Traceback (most recent call last)")
    if has_traceback:
        # Some libraries print more lines after the traceback.
        error = next((line for line in after.splitlines()[1:] if line and not line[0].isspace()), last)
        return f"User program failed with {error}"
    if code < 0:
        return f"Process was ended by signal {signal.Signals(-code).name}"
    return f"Process exited with status {code}: {last}" if last else f"Process exited with status {code}"
