"""Deployed models that answer: each one's entry script in a process of its own, asked one thing at a time."""

import base64
import json
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnistlib.testing.azureml.compute.nodes import Nodes
from mnistlib.testing.azureml.compute.process import JobProcess, bare_variables
from mnistlib.testing.azureml.store import Document

#: Runs in the service's process: ``init()`` once, then ``run(data)`` for each line that comes. What ``run`` returns is
#: written as JSON, unless it is a response of the inference server's (one of Flask's), which says everything itself. As
#: with that server nobody can import the entry script by a name.
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


_JSON = {"Content-Type": "application/json"}


class ScoringError(Exception):
    """A service whose entry script does not start, or has ended."""


class EntryError(Exception):
    """What an entry script's ``run`` has raised: the name of its class, and its text."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a deployed model runs as.

    Attributes
    ----------
    python : Path
        The interpreter, of the environment that was asked for.
    script : Path
        The entry script.
    folder : Path
        Where the process begins, and imports modules from.
    imports : Path
        The other folder that it imports modules from.
    variables : dict
        What it finds in its environment besides what every process there has.
    """

    python: Path
    script: Path
    folder: Path
    imports: Path
    variables: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an entry script has answered."""

    status: int
    headers: dict[str, str]
    body: bytes


#: Puts what a deployment needs below a folder, and says how to run it.
Prepare = Callable[[Path], Program]


class Scorer:
    """The process of one deployment; one request at a time.

    Parameters
    ----------
    nodes : Nodes
        For the variables by which it reaches the service.
    folder : Path
        Its own folder.
    prepare : callable
        Fills that folder anew and says what to run.
    """

    def __init__(self, nodes: Nodes, folder: Path, prepare: Prepare) -> None:
        self._nodes = nodes
        self._folder = folder
        self._prepare = prepare
        self._lock = threading.RLock()
        self._process: JobProcess | None = None
        self._talk = socket.socket()
        self._is_stopped = False

    @property
    def log(self) -> str:
        """What the entry script has printed."""
        file = self._folder / "log.txt"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start the process and wait for its ``init()``.

        Raises
        ------
        ScoringError
            If that fails; the message is the last line of its log.
        ImageBuildError
            If its environment can't be built.
        """
        with self._lock:
            self._check_not_stopped()
            shutil.rmtree(self._folder, ignore_errors=True)
            for name in ("home", "tmp"):
                (self._folder / name).mkdir(parents=True)
            program = self._prepare(self._folder)
            wrapper = self._folder / "run_service.py"
            wrapper.write_text(_WRAPPER)
            variables = {
                **bare_variables(self._folder, program.python),
                **self._nodes.reach(),
                **program.variables,
            }
            self._talk.close()
            self._talk, other_end = socket.socketpair()
            with (self._folder / "log.txt").open("ab") as log, other_end:
                self._process = JobProcess(
                    [
                        str(program.python),
                        str(wrapper),
                        str(program.script),
                        str(other_end.fileno()),
                        str(program.imports),
                    ],
                    folder=program.folder,
                    variables=variables,
                    output=log,
                    inherited=[other_end.fileno()],
                )
            if self._is_stopped:
                raise self._ended()
            self._hear()

    def score(self, data: bytes) -> Answer:
        """Return what the entry script's ``run`` answers to a text.

        Raises
        ------
        EntryError
            If it raises an error.
        ScoringError
            If the process does not start, or ends in place of an answer. The next request starts another.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            message = f"Input cannot be decoded as UTF-8: {error}"
            return Answer(status=400, headers=_JSON, body=json.dumps({"message": message}).encode())
        with self._lock:
            self._check_not_stopped()
            if self._process is None:
                self.start()
            try:
                self._talk.sendall(json.dumps(text).encode() + b"\n")
            except OSError as error:  # it has ended since it answered last
                raise self._ended() from error
            answer = self._hear()
        if "error" in answer:
            raise EntryError(answer["error"])
        return Answer(status=int(answer["status"]), headers=answer["headers"], body=base64.b64decode(answer["body"]))

    def stop(self) -> None:
        """End the process for good; whoever waits for its answer gets a :class:`ScoringError`."""
        self._is_stopped = True
        process = self._process
        if process is not None:
            process.end()
        with self._lock:
            self._end()

    def _check_not_stopped(self) -> None:
        if self._is_stopped:
            raise ScoringError("the service has been stopped")

    def _hear(self) -> Document:
        """Return the next line of the process."""
        try:
            with self._talk.makefile("r", encoding="utf-8") as lines:
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
        self._talk.close()


class Scorers:
    """The processes of all deployments, each under a key of its own, which is also its folder's path.

    Parameters
    ----------
    nodes : Nodes
        What they need to run.
    """

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._lock = threading.Lock()
        self._scorers: dict[str, Scorer] = {}

    def start(self, key: str, prepare: Prepare) -> None:
        """Start a deployment, in place of the one that has this key.

        Raises
        ------
        ScoringError, ImageBuildError
            If it does not start.
        """
        self.end(key)
        self.of(key, prepare).start()

    def of(self, key: str, prepare: Prepare) -> Scorer:
        """Return a deployment's process; it starts when it is asked, if it has not yet."""
        with self._lock:
            if key not in self._scorers:
                self._scorers[key] = Scorer(self.nodes, self.nodes.state.folder / key, prepare)
            return self._scorers[key]

    def end(self, key: str) -> None:
        """End a deployment's process, if it has one."""
        with self._lock:
            scorer = self._scorers.pop(key, None)
        if scorer is not None:
            scorer.stop()

    def stop(self) -> None:
        """End all processes; another emulator's first request starts each again."""
        with self._lock:
            scorers = list(self._scorers.values())
        for scorer in scorers:
            scorer.stop()
