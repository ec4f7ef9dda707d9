"""The mirror of runs and registered models in MLflow.

One thread reads the runs' folders, which hold all there is to say, and tells MLflow what is new. So the mirror can't
slow a run down or make it fail, and it also sees what scripts, and the other processes of a sweep, log.
"""

import importlib.util
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mnistlib.errors import MissingExtraError
from mnistlib.models.version import ModelVersion
from mnistlib.runs import RunStore
from mnistlib.runs.mlflow import MirroredRun, connect, experiment_of

_PAUSE = 0.25  # seconds between two looks at the runs

_log = logging.getLogger("mnistlib")


def uri_of_environment() -> str:
    """Return where MLflow itself would write, as ``MLFLOW_TRACKING_URI`` says; "" without that, or without MLflow."""
    return os.environ.get("MLFLOW_TRACKING_URI", "") if importlib.util.find_spec("mlflow") else ""


class MlflowMirror:
    """Tells MLflow of runs and registered models as they come.

    A run that MLflow does not take costs one warning, and the mirror goes on with the others. Where MLflow can't be
    reached, that costs one warning too; then the mirror is given up, and the runs go on.

    Parameters
    ----------
    uri : str
        Where MLflow keeps them, such as ``sqlite:///mlflow.db`` or the address of a server.
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
        self._given_up = False
        self._incoming: list[tuple[Path, ModelVersion | None]] = []
        # The rest is the thread's own.
        self._client: Any = None
        self._runs: dict[Path, MirroredRun] = {}
        self._refused: set[Path] = set()

    def follow(self, folder: Path) -> None:
        """Tell of a run from now until it has ended."""
        self._take_in(folder, None)

    def register(self, version: ModelVersion, folder: Path) -> None:
        """Tell of a model that was registered from the run in that folder."""
        self._take_in(folder, version)

    def _take_in(self, folder: Path, version: ModelVersion | None) -> None:
        with self._lock:
            if self._given_up:
                return
            self._incoming.append((folder, version))
            if self._thread is None:
                # No daemon: at its end the interpreter waits until MLflow has heard of everything.
                self._thread = threading.Thread(target=self._work, name="mnistlib-mlflow")
                self._thread.start()

    def _work(self) -> None:
        try:
            self._client = self._client or connect(self._uri)
            self._tell_all()
        except Exception as error:  # whatever it is, the runs must not suffer
            _log.warning("MLflow at %s can't be used; runs go on without it: %s", self._uri, _one_line(error))
            self._given_up = True

    def _tell_all(self) -> None:
        followed: list[Path] = []
        while True:
            with self._lock:
                incoming, self._incoming = self._incoming, []
                if not incoming and not followed:
                    self._thread = None
                    return
            for folder, version in incoming:
                if folder.is_dir() and self._spared(folder, partial(self._begin, folder, version)):
                    followed.append(folder)
            followed = [folder for folder in followed if self._spared(folder, partial(self._goes_on, folder))]
            if followed:
                time.sleep(_PAUSE)

    def _spared(self, folder: Path, step: Callable[[], bool]) -> bool:
        """Take a step with one run and return whether more follow; trouble with that run is no trouble of others."""
        if folder in self._refused:
            return False
        try:
            return step()
        except Exception as error:  # whatever it is, the runs must not suffer
            # If it is not this run but MLflow itself, this fails as well.
            self._client.search_experiments(max_results=1)
            _log.warning("MLflow at %s has not all of run %s: %s", self._uri, folder.name, _one_line(error))
            self._refused.add(folder)
            return False

    def _begin(self, folder: Path, version: ModelVersion | None) -> bool:
        run = self._mirrored(folder)
        if version is not None:
            run.tell()
            run.tell_version(version)
        return True

    def _goes_on(self, folder: Path) -> bool:
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
