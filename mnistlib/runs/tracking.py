"""What MLflow is told: by a mirror of runs and models, or by a run of its own. The only file that imports it.

One thread reads the runs' folders, which hold all there is to say, and tells MLflow what is new. So the mirror can't
slow a run down or make it fail, and it also sees what scripts, and the other processes of a sweep, log.
"""

import importlib.util
import json
import logging
import os
import pickle
import posixpath
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from mnistlib.errors import MissingExtraError
from mnistlib.models.artifact import MODEL_FILE, load_model
from mnistlib.models.version import ModelVersion
from mnistlib.runs import RunRecord, RunStatus, RunStore, read_metrics
from mnistlib.runs.context import LOG_FILE, OUTPUTS
from mnistlib.runs.store import JOB_FILE

_PAUSE = 0.25  # seconds between two looks at the runs
_MOST_METRICS, _MOST_PARAMETERS = 1000, 100  # that MLflow takes at a time
_LONGEST_NAME, _LONGEST_VALUE = 250, 5000  # characters; of a value it takes 6000 or more, by its kind
_SQLITE = "sqlite:///"
_RUN_TAG, _VERSION_TAG = "mnistlib.run_id", "mnistlib.version"
_MODEL = "model"  # folder of the model among a run's artifacts, in MLflow's own form

_STATUS = {
    RunStatus.QUEUED: "SCHEDULED",
    RunStatus.PREPARING: "SCHEDULED",
    RunStatus.RUNNING: "RUNNING",
    RunStatus.COMPLETED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELLED: "KILLED",
}

_log = logging.getLogger("mnistlib")


def uri_of_environment() -> str:
    """Return where MLflow itself would write, as ``MLFLOW_TRACKING_URI`` says; "" without that, or without MLflow."""
    return os.environ.get("MLFLOW_TRACKING_URI", "") if importlib.util.find_spec("mlflow") else ""


class MlflowRun:
    """A run that MLflow has, at the address that ``MLFLOW_TRACKING_URI`` names; told from within, on any server.

    Parameters
    ----------
    run_id : str
        MLflow's.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Tell of values of metrics: name, step, value."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name[:_LONGEST_NAME], value, now, step) for name, step, value in points]
        for start in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + _MOST_METRICS])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Note something about the run."""
        from mlflow.entities import RunTag

        self._client.log_batch(self._run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    @cached_property
    def _client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient()


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
        self._runs: dict[Path, _MirroredRun] = {}
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
            self._client = self._client or _connect(self._uri)
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

    def _mirrored(self, folder: Path) -> "_MirroredRun":
        if folder not in self._runs:
            record = self._store.read(folder)
            sweep = folder.with_name(record.parent) if record.parent else None
            parent = self._mirrored(sweep) if sweep and sweep.is_dir() and sweep not in self._refused else None
            experiment = _experiment(self._client, self._uri, record)
            self._runs[folder] = _MirroredRun(self._client, self._store, folder, experiment, parent)
        return self._runs[folder]


class _MirroredRun:
    """A run in MLflow, and what MLflow has heard of it."""

    def __init__(
        self, client: Any, store: RunStore, folder: Path, experiment: str, parent: "_MirroredRun | None"
    ) -> None:
        self._client = client
        self._store = store
        self._folder = folder
        self._told_status = ""
        self._told_values: dict[str, int] = {}
        record = store.read(folder)
        known = client.search_runs([experiment], f"tags.`{_RUN_TAG}` = '{record.run_id}'", max_results=1)
        self._run = known[0] if known else self._create(record, experiment, parent)
        self.id: str = self._run.info.run_id
        if known:
            self._told_status = self._run.info.status
            for name in read_metrics(folder):
                self._told_values[name] = len(client.get_metric_history(self.id, _name(name)))

    def tell(self) -> bool:
        """Tell what is new, and return whether the run has ended and all is told."""
        try:
            record = self._store.read(self._folder)  # before its metrics: once it has ended, all of them are there
        except FileNotFoundError:
            return True  # deleted; MLflow keeps what it knows
        self._tell_metrics()
        status = _STATUS[record.status]
        if status == self._told_status:
            return record.status.ended
        if record.status.ended:
            self._tell_files()
            if record.error:
                self._client.set_tag(self.id, "mlflow.note.content", record.error[:_LONGEST_VALUE])
            self._client.set_terminated(self.id, status, _milliseconds(record.ended))
        else:
            self._client.update_run(self.id, status)
        self._told_status = status
        return record.status.ended

    def tell_version(self, version: ModelVersion) -> None:
        """Register a version of the run's model; MLflow counts versions by itself, a tag has ours."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):  # it is there already; of any other trouble the next line tells
            self._client.create_registered_model(version.name)
        self._client.create_model_version(
            version.name,
            f"{self._run.info.artifact_uri}/{_MODEL if version.origin else OUTPUTS}",
            self.id,
            tags={**_tags(version.tags), _VERSION_TAG: str(version.version)},
            description=version.description,
        )

    def _create(self, record: RunRecord, experiment: str, parent: "_MirroredRun | None") -> Any:
        from mlflow.entities import Param

        tags = {**_tags(record.tags), _RUN_TAG: record.run_id} | ({"mlflow.parentRunId": parent.id} if parent else {})
        run = self._client.create_run(experiment, _milliseconds(record.created), tags, record.name or record.run_id)
        job = json.loads((self._folder / JOB_FILE).read_bytes())
        parameters = [Param(name, value[:_LONGEST_VALUE]) for name, value in _flat(job)]
        self._client.log_batch(run.info.run_id, params=parameters[:_MOST_PARAMETERS])
        return run

    def _tell_metrics(self) -> None:
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        metrics = read_metrics(self._folder)
        news = [
            Metric(_name(name), value, now, step)
            for name, values in metrics.items()
            for step, value in values[self._told_values.get(name, 0) :]
        ]
        for start in range(0, len(news), _MOST_METRICS):
            self._client.log_batch(self.id, metrics=news[start : start + _MOST_METRICS])
        self._told_values = {name: len(values) for name, values in metrics.items()}

    def _tell_files(self) -> None:
        if (self._folder / OUTPUTS).is_dir():
            self._client.log_artifacts(self.id, str(self._folder / OUTPUTS), OUTPUTS)
        if (self._folder / LOG_FILE).is_file():
            self._client.log_artifact(self.id, str(self._folder / LOG_FILE), Path(LOG_FILE).parent.name)
        if (self._folder / OUTPUTS / MODEL_FILE).is_file():
            with tempfile.TemporaryDirectory() as folder:
                _write_model(load_model(self._folder / OUTPUTS).classifier, Path(folder), self.id)
                self._client.log_artifacts(self.id, folder, _MODEL)


def _connect(uri: str) -> Any:
    # MLflow's own defaults would try an address where nobody answers for many minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


def _experiment(client: Any, uri: str, record: RunRecord) -> str:
    """Return the id of a run's experiment, which is made where MLflow has none of that name."""
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(record.experiment)
    if known:
        return str(known.experiment_id)
    location = None
    if uri.startswith(_SQLITE):
        # Files go beside their database. By default they go below wherever this process happens to stand.
        location = str(Path(uri.removeprefix(_SQLITE)).absolute().parent / "mlruns" / record.experiment)
    try:
        return str(client.create_experiment(record.experiment, location))
    except MlflowException:
        known = client.get_experiment_by_name(record.experiment)
        if known is None:
            raise
        return str(known.experiment_id)  # another process was a moment faster


def _write_model(classifier: Any, folder: Path, run_id: str) -> None:
    """Write a classifier as ``mlflow.sklearn.load_model`` reads it, which needs more than the small MLflow to write."""
    import sklearn
    from mlflow.models import Model

    (folder / "model.pkl").write_bytes(pickle.dumps(classifier))
    model = Model(_MODEL, run_id)
    model.add_flavor(
        "sklearn", pickled_model="model.pkl", sklearn_version=sklearn.__version__, serialization_format="pickle"
    )
    model.save(str(folder / "MLmodel"))


def _flat(job: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the settings of a job, those of a job inside it with its name before them."""
    for name, value in job.items():
        if name == "environment":
            # Names only: a script's environment is where its passwords are, and a server is read by many.
            yield f"{prefix}{name}", json.dumps(sorted(value))
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)


def _name(name: str) -> str:
    """Return the name under which MLflow takes a metric or tag of that name: letters, digits and ``_-. /``, as a path.

    Examples
    --------
    >>> _name("acc@5"), _name("loss/../a")
    ('acc_5', 'loss_.._a')
    """
    plain = re.sub(r"[^\w\-. /]", "_", name)[:_LONGEST_NAME]
    if plain.startswith(("/", "..")) or posixpath.normpath(plain) != plain or plain == ".":
        plain = re.sub(r"^\.+", "_", plain.replace("/", "_"))
    return plain


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {_name(name): value[:_LONGEST_VALUE] for name, value in tags.items()}


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _milliseconds(when: str | None) -> int | None:
    return None if when is None else round(datetime.fromisoformat(when).timestamp() * 1000)
