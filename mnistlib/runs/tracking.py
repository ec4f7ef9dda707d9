"""The mirror of runs and registered models in MLflow.

One thread reads the runs' folders, which hold the complete record, and sends news to MLflow. So the mirror can neither
slow a run down nor make it fail, and it includes the logs of scripts and of a sweep's other processes.
"""

import importlib.util
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mnistlib.environment import TRACKING_URI
from mnistlib.errors import MissingExtraError
from mnistlib.models.version import ModelVersion
from mnistlib.runs import RunStore
from mnistlib.runs.mlflow import MirroredRun, connect, experiment_of

_PAUSE = 0.25  # seconds between two checks of the runs

_log = logging.getLogger("mnistlib")


def uri_of_environment() -> str:
    """Return ``MLFLOW_TRACKING_URI``, which MLflow itself uses; "" if it is not set or MLflow is not installed."""
    return TRACKING_URI.get() if importlib.util.find_spec("mlflow") else ""


class MlflowMirror:
    """Copy of runs and registered models in MLflow, updated while they proceed.

    A run that MLflow refuses causes one warning, and the mirror continues with the others. If MLflow cannot be reached,
    the mirror warns once and stops, and the runs continue.

    Parameters
    ----------
    uri : str
        MLflow's store, such as ``sqlite:///mlflow.db`` or the address of a server.
    store : RunStore
        The runs.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """

    def __init__(self, uri: str, store: RunStore) -> None:
        if importlib.util.find_spec("mlflow") is None:
            raise MissingExtraError("tracking_uri", "mlflow")
        self._uri = uri
        self._store = store
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._incoming: list[tuple[Path, ModelVersion | None]] = []
        # Used by the thread only.
        self._client: Any = None
        self._runs: dict[Path, MirroredRun] = {}
        self._refused: set[Path] = set()

    def follow(self, folder: Path) -> None:
        """Mirror a run from now until it ends."""
        self._enqueue(folder, None)

    def register(self, version: ModelVersion, folder: Path) -> None:
        """Mirror a model registered from the run in this folder."""
        self._enqueue(folder, version)

    def _enqueue(self, folder: Path, version: ModelVersion | None) -> None:
        with self._lock:
            if self._stopped:
                return
            self._incoming.append((folder, version))
            if self._thread is None:
                # Not a daemon thread: at exit the interpreter waits until MLflow has everything.
                self._thread = threading.Thread(target=self._work, name="mnistlib-mlflow")
                self._thread.start()

    def _work(self) -> None:
        try:
            self._client = self._client or connect(self._uri)
            self._send_all()
        except Exception as error:  # of any kind: the runs must not fail
            _log.warning("cannot use MLflow at %s; runs continue without it: %s", self._uri, _one_line(error))
            self._stopped = True

    def _send_all(self) -> None:
        followed: list[Path] = []
        while True:
            with self._lock:
                incoming, self._incoming = self._incoming, []
                if not incoming and not followed:
                    self._thread = None
                    return
            for folder, version in incoming:
                if folder.is_dir() and self._isolated(folder, partial(self._begin, folder, version)):
                    followed.append(folder)
            followed = [folder for folder in followed if self._isolated(folder, partial(self._continues, folder))]
            if followed:
                time.sleep(_PAUSE)

    def _isolated(self, folder: Path, step: Callable[[], bool]) -> bool:
        """Do one step for a run and return whether more follow; an error of this run does not affect other runs."""
        if folder in self._refused:
            return False
        try:
            return step()
        except Exception as error:  # of any kind: the runs must not fail
            # If the cause is not this run but MLflow itself, this call fails too.
            self._client.search_experiments(max_results=1)
            _log.warning("MLflow at %s has only a part of run %s: %s", self._uri, folder.name, _one_line(error))
            self._refused.add(folder)
            return False

    def _begin(self, folder: Path, version: ModelVersion | None) -> bool:
        run = self._mirrored(folder)
        if version is not None:
            run.tell()
            run.tell_version(version)
        return True

    def _continues(self, folder: Path) -> bool:
        return not self._runs[folder].tell()

    def _mirrored(self, folder: Path) -> MirroredRun:
        if folder not in self._runs:
            record = self._store.read(folder)
            sweep = folder.with_name(record.parent) if record.parent else None
            parent = self._mirrored(sweep) if sweep and sweep.is_dir() and sweep not in self._refused else None
            experiment = experiment_of(self._client, self._uri, record)
            self._runs[folder] = MirroredRun(self._client, self._store, folder, experiment, parent)
        return self._runs[folder]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
