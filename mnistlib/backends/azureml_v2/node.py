"""The node's side of a workspace without an SDK: MLflow for what is logged, plain requests for the rest.

The workspace tells the process where MLflow's tracking server is, with a token for its run; the address holds the
workspace's too.
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
    """Tells the run of this process, found by the variables that the workspace has set."""

    # MLflow sends what a script logs at once.
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
        """Return what tells of another run of the experiment."""
        return self if run_id == self.run_id else type(self)(run_id)

    def begin(self, job: Job, *, trial: int | None) -> None:
        """Tell what the run does: a trial of a sweep is described by nobody before."""
        self._tag(job_properties(job) | ({} if trial is None else {TRIAL: str(trial)}))

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Tell of values of metrics."""
        self.runs.calls.make("logging metrics", lambda: self._mlflow.log_metrics(points))

    def conclude(self, record: RunRecord) -> None:
        """Tell how the run has ended; see :meth:`RunReporter.conclude`."""
        if record.status is not RunStatus.CANCELLED:  # a node that is taken away is asked to stop as well
            self._tag(ended_properties(record))

    def flush(self) -> None:
        """Do nothing: all that was told has arrived."""

    @cached_property
    def _mlflow(self) -> MlflowRun:
        return MlflowRun(self.run_id)

    def _tag(self, tags: Mapping[str, str]) -> None:
        self.runs.calls.make("describing the run", lambda: self._mlflow.set_tags(tags))


class _NodeRuns(AzureMLv2RunClient):
    """Runs of the workspace as a node sees them: with the token of its run."""

    def __init__(self) -> None:
        self.calls = Calls(RetryPolicy())

    @cached_property
    def rest(self) -> WorkspaceRest:
        return self.calls.make("opening the workspace", _rest_of_a_node)


class _NodeRegistrar(Registrar):
    """Registry of the workspace by plain requests, as the older SDK sends them."""

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
        raise ClusterError("MLFLOW_TRACKING_URI is not of a workspace: this command is for a workspace's nodes")
    return WorkspaceRest(
        endpoint=f"https://{found['host']}",
        workspace=found["workspace"],
        token=lambda: os.environ["MLFLOW_TRACKING_TOKEN"],
    )


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ClusterError(f"{name} is not set: this command is for a workspace's nodes, where the workspace sets it")
    return value


def _number(model: SimpleNamespace) -> int:
    return int(model.version)
