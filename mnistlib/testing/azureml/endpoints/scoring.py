"""Scoring: the entry script of each deployed model in a process of its own, with one request at a time."""

import base64
import json
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.compute.nodes import Nodes
from mnistlib.testing.azureml.compute.process import JobProcess, bare_variables
from mnistlib.testing.azureml.environments.builds import ImageBuildError
from mnistlib.testing.azureml.store import Document

#: Runs in the process of the model: ``init()`` once, then ``run(data)`` for each line of input. The result of ``run``
#: is written as JSON, unless it is a response of the inference server (a Flask response), which has its own status and
#: headers. As with that server, the entry script cannot be imported by name.
_WRAPPER = """\
import base64, importlib.util, json, os, socket, sys, traceback
script, number, imports = sys.argv[1:]
talk = socket.socket(fileno=int(number)).makefile("rw", encoding="utf-8")
def say(**answer):
    print(json.dumps(answer), file=talk, flush=True)
def answer_of(returned):
    if all(hasattr(returned, name) for name in ("status_code", "get_data", "headers")):
        body, headers = returned.get_data(), dict(returned.headers.items())
        return {"status": returned.status_code, "headers": headers, "body": base64.b64encode(body).decode()}
    body = base64.b64encode(json.dumps({} if returned is None else returned).encode()).decode()
    return {"status": 200, "headers": {"Content-Type": "application/json"}, "body": body}
sys.path[0] = os.getcwd()
sys.path.append(imports)
spec = importlib.util.spec_from_file_location("entry_module", script)
entry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(entry)
entry.init()
say()
for line in talk:
    try:
        answer = answer_of(entry.run(json.loads(line)))
    except Exception as error:
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {error}"}
    say(**answer)
"""


class ScoringError(Exception):
    """An entry script did not start, or has ended, or its environment cannot be built."""


class EntryError(Exception):
    """An exception of an entry script's ``run``: the name of its class, and its text."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """The command of a deployed model."""

    python: Path
    script: Path
    folder: Path  # working folder of the process, and first folder for imports
    imports: Path  # second folder for imports
    variables: dict[str, str]  # beside those of every process on a node


#: Writes the files of a deployment below a folder, and returns the command.
Prepare = Callable[[Path], Program]


class Scorer:
    """The process of a deployment, in a folder of its own; it takes one request at a time."""

    def __init__(self, nodes: Nodes, folder: Path, prepare: Prepare) -> None:
        self._nodes = nodes
        self._folder = folder
        self._prepare = prepare
        self._lock = threading.RLock()
        self._process: JobProcess | None = None
        self._socket = socket.socket()
        self._is_stopped = False

    @property
    def log(self) -> str:
        """Output of the entry script."""
        file = self._folder / "log.txt"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start the process and wait for its ``init()``.

        Raises
        ------
        ScoringError
            If the environment cannot be built, or if ``init()`` fails; then the message is the last line of the log.
        """
        with self._lock:
            self._check_not_stopped()
            shutil.rmtree(self._folder, ignore_errors=True)
            for name in ("home", "tmp"):
                (self._folder / name).mkdir(parents=True)
            try:
                program = self._prepare(self._folder)
            except ImageBuildError as error:
                raise ScoringError(str(error)) from error
            wrapper = self._folder / "run_service.py"
            wrapper.write_text(_WRAPPER)
            variables = bare_variables(self._folder, program.python) | self._nodes.reach() | program.variables
            self._socket.close()
            self._socket, other_end = socket.socketpair()
            with (self._folder / "log.txt").open("ab") as log, other_end:
                number = other_end.fileno()
                command = [program.python, wrapper, program.script, number, program.imports]
                self._process = JobProcess(
                    [str(part) for part in command],
                    folder=program.folder,
                    variables=variables,
                    output=log,
                    inherited=[number],
                )
            if self._is_stopped:
                raise self._ended()
            self._read()

    def score(self, data: bytes) -> Response:
        """Return the answer of the entry script's ``run``.

        Raises
        ------
        EntryError
            If ``run`` raises an exception.
        ScoringError
            If the process does not start, or ends without an answer. The next request starts another one.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            return JSONResponse({"message": f"Input cannot be decoded as UTF-8: {error}"}, 400)
        with self._lock:
            self._check_not_stopped()
            if self._process is None:
                self.start()
            try:
                self._socket.sendall(json.dumps(text).encode() + b"\n")
            except OSError as error:  # the process has ended since its last answer
                raise self._ended() from error
            answer = self._read()
        if "error" in answer:
            raise EntryError(answer["error"])
        return Response(base64.b64decode(answer["body"]), int(answer["status"]), answer["headers"])

    def stop(self) -> None:
        """End the process for good; a request that waits for its answer fails with :class:`ScoringError`."""
        self._is_stopped = True
        process = self._process
        if process is not None:
            process.end()
        with self._lock:
            self._end()

    def _check_not_stopped(self) -> None:
        if self._is_stopped:
            raise ScoringError("the service has been stopped")

    def _read(self) -> Document:
        """Return the next answer of the process."""
        try:
            with self._socket.makefile("r", encoding="utf-8") as lines:
                line = lines.readline()
        except ConnectionError as error:
            raise self._ended() from error
        if not line:
            raise self._ended()
        answer: Document = json.loads(line)
        return answer

    def _ended(self) -> ScoringError:
        self._end()
        return ScoringError(self.log.rstrip().rpartition("\n")[2] or "the entry script ended without a word")

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
        self._socket.close()


class Scorers:
    """The processes of all deployments, by key, which is also the path of their folder."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._lock = threading.Lock()
        self._scorers: dict[str, Scorer] = {}

    def start(self, key: str, prepare: Prepare) -> Document | None:
        """Start a deployment, in place of the previous one with this key; return its error, or None."""
        self.end(key)
        try:
            self.of(key, prepare).start()
        except ScoringError as error:
            return {"code": "DeploymentFailed", "message": str(error), "details": []}
        return None

    def of(self, key: str, prepare: Prepare) -> Scorer:
        """Return the process of a deployment, which starts with its first request unless it is running."""
        with self._lock:
            if key not in self._scorers:
                self._scorers[key] = Scorer(self.nodes, self.nodes.state.folder / key, prepare)
            return self._scorers[key]

    def end(self, key: str) -> None:
        """End the process of a deployment, if there is one."""
        with self._lock:
            scorer = self._scorers.pop(key, None)
        if scorer is not None:
            scorer.stop()

    def stop(self) -> None:
        """End all processes; the first request to the next emulator in this folder starts each again."""
        with self._lock:
            scorers = list(self._scorers.values())
        for scorer in scorers:
            scorer.stop()
