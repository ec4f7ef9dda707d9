"""A deployed model: its entry script in a process of its own, asked over pipes."""

import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mnistlib.testing.azureml.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.node import Nodes
from mnistlib.testing.azureml.store import Document

#: Runs in the service's process: ``init()`` once, then ``run(data)`` for each line that comes.
_WRAPPER = """\
import importlib.util, json, os, sys, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path.insert(0, os.path.dirname(sys.argv[1]))
spec = importlib.util.spec_from_file_location("entry", sys.argv[1])
entry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(entry)
entry.init()
print(json.dumps({"status": 200, "body": "ready"}), file=answers, flush=True)
for line in sys.stdin:
    try:
        answer = json.dumps({"status": 200, "body": entry.run(json.loads(line))})
    except Exception as error:
        traceback.print_exc()
        answer = json.dumps({"status": 500, "body": f"{type(error).__name__}: {error}"})
    print(answer, file=answers, flush=True)
"""


class ScoringError(Exception):
    """A service whose entry script does not start, or has ended."""


class Scorer:
    """The process of one service; one request at a time.

    Parameters
    ----------
    nodes : Nodes
        What it needs to run.
    service : dict
        The service's document.
    """

    def __init__(self, nodes: Nodes, service: Document) -> None:
        self._nodes = nodes
        self._service = service
        self._folder = nodes.state.folder / "services" / str(service["name"])
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

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
        """
        request = self._service["environmentImageRequest"]
        environment = request.get("environment") or {}
        python = self._nodes.python_for(environment)
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("app", "models", "home", "tmp"):
            (self._folder / name).mkdir(parents=True)
        self._unpack(request)
        (self._folder / "run_service.py").write_text(_WRAPPER)
        given = environment.get("environmentVariables") or {}
        variables = {
            "HOME": str(self._folder / "home"),
            "TMPDIR": str(self._folder / "tmp"),
            "PATH": f"{python.executable.parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "AZUREML_MODEL_DIR": str(self._model_folder()),
            **self._nodes.reach(),
            **given,
        }
        script = self._folder / "app" / given["AZUREML_ENTRY_SCRIPT"]
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - running what was deployed is its work
                [str(python.executable), str(self._folder / "run_service.py"), str(script)],
                cwd=self._folder / "app",
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._answer()

    def score(self, data: str) -> tuple[int, Any]:
        """Return the status and the answer of the entry script's ``run``."""
        with self._lock:
            if self._process is None:
                self.start()
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(data) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
        return int(answer["status"]), answer["body"]

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def _answer(self) -> Document:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise ScoringError(self.log.rstrip().rpartition("\n")[2] or "the entry script ended without a word")
        answer: Document = json.loads(line)
        return answer

    def _unpack(self, request: Document) -> None:
        for asset in request["assets"]:
            if asset["id"] == request["driverProgram"]:
                continue  # the SDK's own wrapper, which needs Microsoft's image around it
            source = self._nodes.state.blobs.file(RUN_CONTAINER, asset["url"].removeprefix("aml://artifact/"))
            if asset.get("unpack"):
                with tarfile.open(source) as archive:
                    archive.extractall(self._folder / "app", filter="data")
            else:
                entry = (request["environment"].get("environmentVariables") or {})["AZUREML_ENTRY_SCRIPT"]
                target = self._folder / "app" / entry
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        for model in self._service["models"]:
            for name, source in self._files_of(model):
                target = self._folder / "models" / model["name"] / str(model["version"]) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def _files_of(self, model: Document) -> Iterator[tuple[str, Path]]:
        asset = self._nodes.state.store.get("asset", model["url"].removeprefix("aml://asset/"))
        assert asset is not None
        for artifact in asset["artifacts"]:
            prefix = artifact.get("prefix") or artifact["id"]
            for name, file in self._nodes.state.blobs.below(RUN_CONTAINER, prefix):
                whole = self._nodes.state.blobs.get(RUN_CONTAINER, prefix) is not None
                yield (name if whole else f"{PurePosixPath(prefix).name}/{name}"), file

    def _model_folder(self) -> Path:
        models = self._service["models"]
        folder = self._folder / "models"
        if len(models) != 1:
            return folder
        return folder / str(models[0]["name"]) / str(models[0]["version"])
