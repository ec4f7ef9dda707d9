"""Runs and models in MLflow, through its client. The only module that imports MLflow."""

import json
import os
import pickle
import posixpath
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from mnistlib.models.artifact import MODEL_FILE, load_model
from mnistlib.models.version import ModelVersion
from mnistlib.runs import RunRecord, RunStatus, RunStore, read_metrics
from mnistlib.runs.context import LOG_FILE, OUTPUTS
from mnistlib.runs.store import JOB_FILE

_MOST_METRICS, _MOST_PARAMETERS = 1000, 100  # in one request to MLflow
_LONGEST_NAME, _LONGEST_VALUE = 250, 5000  # characters; MLflow's limit of values is 6000 or more, by kind
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


class MlflowRun:
    """An existing MLflow run, for use inside the run, on any server: the address is ``MLFLOW_TRACKING_URI``."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Log values of metrics: name, step, value."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name[:_LONGEST_NAME], value, now, step) for name, step, value in points]
        _log_metrics(self._client, self._run_id, metrics)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        from mlflow.entities import RunTag

        self._client.log_batch(self._run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    @cached_property
    def _client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient()


class MirroredRun:
    """The copy of a run in MLflow, found or created there, and its state of transfer.

    `experiment` is the id from `experiment_of`, `parent` the sweep of a trial, and `store` reads the run's `folder`.
    """

    def __init__(self, client: Any, store: RunStore, folder: Path, experiment: str, parent: Self | None) -> None:
        self._client = client
        self._store = store
        self._folder = folder
        self._sent_status = ""
        self._sent_values: dict[str, int] = {}
        record = store.read(folder)
        known = client.search_runs([experiment], f"tags.`{_RUN_TAG}` = '{record.run_id}'", max_results=1)
        self._run = known[0] if known else self._create(record, experiment, parent)
        self.id: str = self._run.info.run_id
        if known:
            self._sent_status = self._run.info.status
            for name in read_metrics(folder):
                self._sent_values[name] = len(client.get_metric_history(self.id, _name(name)))

    def tell(self) -> bool:
        """Send news, and return whether the run has ended and MLflow has all of it."""
        try:
            record = self._store.read(self._folder)  # before its metrics: those of an ended run are complete
        except FileNotFoundError:
            return True  # deleted here; MLflow keeps its copy
        self._send_metrics()
        status = _STATUS[record.status]
        if status == self._sent_status:
            return record.status.ended
        if record.status.ended:
            self._send_files()
            if record.error:
                self._client.set_tag(self.id, "mlflow.note.content", record.error[:_LONGEST_VALUE])
            self._client.set_terminated(self.id, status, _milliseconds(record.ended))
        else:
            self._client.update_run(self.id, status)
        self._sent_status = status
        return record.status.ended

    def tell_version(self, version: ModelVersion) -> None:
        """Register a version of the run's model; MLflow counts versions itself, and a tag has ours."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):  # it exists already; the next line raises any other error
            self._client.create_registered_model(version.name)
        self._client.create_model_version(
            version.name,
            f"{self._run.info.artifact_uri}/{_MODEL if version.origin else OUTPUTS}",
            self.id,
            tags={**_tags(version.tags), _VERSION_TAG: str(version.version)},
            description=version.description,
        )

    def _create(self, record: RunRecord, experiment: str, parent: Self | None) -> Any:
        from mlflow.entities import Param

        tags = {**_tags(record.tags), _RUN_TAG: record.run_id} | ({"mlflow.parentRunId": parent.id} if parent else {})
        run = self._client.create_run(experiment, _milliseconds(record.created), tags, record.name or record.run_id)
        job = json.loads((self._folder / JOB_FILE).read_bytes())
        parameters = [Param(name, value[:_LONGEST_VALUE]) for name, value in _flat(job)]
        self._client.log_batch(run.info.run_id, params=parameters[:_MOST_PARAMETERS])
        return run

    def _send_metrics(self) -> None:
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        metrics = read_metrics(self._folder)
        news = [
            Metric(_name(name), value, now, step)
            for name, values in metrics.items()
            for step, value in values[self._sent_values.get(name, 0) :]
        ]
        _log_metrics(self._client, self.id, news)
        self._sent_values = {name: len(values) for name, values in metrics.items()}

    def _send_files(self) -> None:
        if (self._folder / OUTPUTS).is_dir():
            self._client.log_artifacts(self.id, str(self._folder / OUTPUTS), OUTPUTS)
        if (self._folder / LOG_FILE).is_file():
            self._client.log_artifact(self.id, str(self._folder / LOG_FILE), Path(LOG_FILE).parent.name)
        if (self._folder / OUTPUTS / MODEL_FILE).is_file():
            with tempfile.TemporaryDirectory() as folder:
                _write_model(load_model(self._folder / OUTPUTS).classifier, Path(folder), self.id)
                self._client.log_artifacts(self.id, folder, _MODEL)


def connect(uri: str) -> Any:
    """Return an MLflow client for an address."""
    # MLflow's own defaults would retry a dead address for many minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


def experiment_of(client: Any, uri: str, record: RunRecord) -> str:
    """Return the id of a run's experiment, which is created if MLflow has none of this name."""
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(record.experiment)
    if known:
        return str(known.experiment_id)
    location = None
    if uri.startswith(_SQLITE):
        # Files go beside their database. MLflow's default is below the working folder of this process.
        location = str(Path(uri.removeprefix(_SQLITE)).absolute().parent / "mlruns" / record.experiment)
    try:
        return str(client.create_experiment(record.experiment, location))
    except MlflowException:
        known = client.get_experiment_by_name(record.experiment)
        if known is None:
            raise
        return str(known.experiment_id)  # another process has just created it


def _log_metrics(client: Any, run_id: str, metrics: Sequence[Any]) -> None:
    for start in range(0, len(metrics), _MOST_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + _MOST_METRICS])


def _write_model(classifier: Any, folder: Path, run_id: str) -> None:
    """Write a classifier for ``mlflow.sklearn.load_model``; MLflow's own writer needs more than mlflow-skinny."""
    import sklearn
    from mlflow.models import Model

    (folder / "model.pkl").write_bytes(pickle.dumps(classifier))
    model = Model(_MODEL, run_id)
    model.add_flavor(
        "sklearn", pickled_model="model.pkl", sklearn_version=sklearn.__version__, serialization_format="pickle"
    )
    model.save(str(folder / "MLmodel"))


def _flat(job: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the settings of a job; those of a nested job get its name as a prefix."""
    for name, value in job.items():
        if name == "environment":
            # Names only: a script's environment may hold passwords, and many people can read a server.
            yield f"{prefix}{name}", json.dumps(sorted(value))
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)


def _name(name: str) -> str:
    """Return a name as MLflow accepts it for metrics and tags: letters, digits and ``_-. /``, as a path.

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


def _milliseconds(when: str | None) -> int | None:
    return None if when is None else round(datetime.fromisoformat(when).timestamp() * 1000)
