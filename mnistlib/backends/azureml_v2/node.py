"""Run reporter on a node without an SDK: MLflow for metrics and tags, plain HTTP requests for the rest.

Environment variables of the workspace hold the address of MLflow's tracking server and a token for the run; the
address contains the workspace's resource id.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Self

from mnistlib.backends.azure.calls import Calls
from mnistlib.backends.azure.registry import properties_of, register_once, version_of
from mnistlib.backends.azureml_v2.rest import WorkspaceRest
from mnistlib.backends.azureml_v2.runs import AzureMLv2RunClient
from mnistlib.backends.cloud.node import NodeSide
from mnistlib.backends.cloud.properties import TRIAL, ended_properties
from mnistlib.backends.cloud.properties import properties_of as job_properties
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.errors import ClusterError
from mnistlib.jobs import Job
from mnistlib.models.interfaces import Registrar, Registration
from mnistlib.models.version import ModelVersion
from mnistlib.runs import RunRecord, RunStatus
from mnistlib.runs.mlflow import MlflowRun

_TRACKING = re.compile(r"(?:azureml|https)://(?P<host>[^/]+)/mlflow/v\d\.\d(?P<workspace>/subscriptions/[^?]+)")


class AzureMLv2Node(NodeSide):
    """Run reporter of this process's run, identified by environment variables of the workspace."""

    # MLflow sends the metrics of a script at once.
    script_launcher = ()

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id or _variable("MLFLOW_RUN_ID")
        self.experiment = _variable("MLFLOW_EXPERIMENT_NAME")

    @cached_property
    def runs(self) -> "_NodeRuns":
        """The workspace of this process's run."""
        return _NodeRuns()

    @property
    def registrar(self) -> Registrar:
        """The registry of the workspace."""
        return _NodeRegistrar(self.runs)

    def of(self, run_id: str) -> Self:
        """Return the reporter of another run of the experiment."""
        return self if run_id == self.run_id else type(self)(run_id)

    def begin(self, job: Job, *, trial: int | None) -> None:
        """Publish the job, which is not yet known for a trial of a sweep; see :meth:`RunReporter.begin`."""
        self._tag(job_properties(job) | ({} if trial is None else {TRIAL: str(trial)}))

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Log values of metrics; see :meth:`RunReporter.log_metrics`."""
        self.runs.calls.make("logging metrics", lambda: self._mlflow.log_metrics(points))

    def conclude(self, record: RunRecord) -> None:
        """Report the end of the run; see :meth:`RunReporter.conclude`."""
        if record.status is not RunStatus.CANCELLED:  # a preempted node is asked to stop, too
            self._tag(ended_properties(record))

    def flush(self) -> None:
        """Do nothing: metrics are sent at once."""

    @cached_property
    def _mlflow(self) -> MlflowRun:
        return MlflowRun(self.run_id)

    def _tag(self, tags: Mapping[str, str]) -> None:
        self.runs.calls.make("describing the run", lambda: self._mlflow.set_tags(tags))


class _NodeRuns(AzureMLv2RunClient):
    """Client for the runs of the workspace, with the token of the node's run."""

    def __init__(self) -> None:
        self.calls = Calls(RetryPolicy())

    @cached_property
    def rest(self) -> WorkspaceRest:
        return self.calls.make("opening the workspace", _rest_of_a_node)


class _NodeRegistrar(Registrar):
    """Registry of the workspace, with the same requests as azureml-core."""

    def __init__(self, runs: _NodeRuns) -> None:
        self._runs = runs

    def register(self, registration: Registration) -> ModelVersion:
        """Register a file of a run; see :meth:`Registrar.register`."""
        properties = properties_of(registration)
        fields = {
            "description": registration.description,
            "kvTags": dict(registration.tags),
            "properties": properties,
            "framework": "ScikitLearn",
        }
        name, rest = registration.name, self._runs.rest
        model = register_once(
            self._runs.calls,
            f"registering model {name}",
            properties=properties,
            known=lambda: sorted((SimpleNamespace(**model) for model in rest.models(name)), key=_number),
            make=lambda: rest.register_model(name, registration.run_id, registration.file, fields),
            delete=lambda model: rest.delete_model(model.id),
        )
        return version_of(
            name,
            _number(model),
            properties=properties,
            description=registration.description,
            tags=registration.tags,
            created=model.createdTime,
            run_id=registration.run_id,
            read=lambda: registration.content,
        )


def _rest_of_a_node() -> WorkspaceRest:
    found = _TRACKING.match(_variable("MLFLOW_TRACKING_URI"))
    if found is None:
        raise ClusterError("MLFLOW_TRACKING_URI is not the address of a workspace: run this command on its nodes only")
    return WorkspaceRest(
        endpoint=f"https://{found['host']}",
        workspace=found["workspace"],
        token=lambda: os.environ["MLFLOW_TRACKING_TOKEN"],
    )


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ClusterError(f"{name} is not set: run this command on nodes of a workspace only, which sets it")
    return value


def _number(model: SimpleNamespace) -> int:
    return int(model.version)
