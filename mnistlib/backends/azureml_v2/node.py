"""The node's side of a workspace without an SDK: MLflow for what is logged, plain requests for the rest.

The workspace tells the process where MLflow's tracking server is, with a token for its run; the address holds the
workspace's too.
"""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azure.registry import properties_of, register_once, version_of
from mnistlib.backends.azureml_v2.cluster_client import AzureMLv2ClusterClient
from mnistlib.backends.azureml_v2.rest import WorkspaceRest
from mnistlib.backends.cloud.cluster_client import Registration
from mnistlib.backends.cloud.node import NodeSide
from mnistlib.backends.cloud.properties import TRIAL, ended_properties
from mnistlib.backends.cloud.properties import properties_of as job_properties
from mnistlib.errors import ClusterError
from mnistlib.jobs import Job
from mnistlib.models.version import ModelVersion
from mnistlib.runs import RunRecord, RunStatus
from mnistlib.runs.tracking import MlflowRun

_TRACKING = re.compile(r"(?:azureml|https)://(?P<host>[^/]+)/mlflow/v\d\.\d(?P<workspace>/subscriptions/[^?]+)")


class AzureMLv2Node(NodeSide):
    """Tells the run of this process, found by the variables that the workspace has set."""

    # MLflow sends what a script logs at once.
    script_launcher = ()

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id or _variable("MLFLOW_RUN_ID")
        self.experiment = _variable("MLFLOW_EXPERIMENT_NAME")

    @cached_property
    def client(self) -> AzureMLv2ClusterClient:
        """The workspace of this process's run."""
        return _NodeClusterClient()

    def of(self, run_id: str) -> Self:
        """Return what tells of another run of the experiment."""
        return self if run_id == self.run_id else type(self)(run_id)

    def begin(self, job: Job, *, trial: int | None) -> None:
        """Tell what the run does: a trial of a sweep is described by nobody before."""
        self._tag(job_properties(job) | ({} if trial is None else {TRIAL: str(trial)}))

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Tell of values of metrics."""
        self.client.calls.make("logging metrics", lambda: self._mlflow.log_metrics(points))

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
        self.client.calls.make("describing the run", lambda: self._mlflow.set_tags(tags))


class _NodeClusterClient(AzureMLv2ClusterClient):
    """The workspace as a node sees it: with its run's token, and no SDK."""

    def __init__(self) -> None:
        super().__init__(_no_client, _rest_of_a_node, AmlComputeSpec())

    def register(self, registration: Registration) -> ModelVersion:
        """Register a model of a run, as the SDK of before does it, since this one is not there."""
        properties = properties_of(registration)
        fields = {
            "description": registration.description,
            "kvTags": dict(registration.tags),
            "properties": properties,
            "framework": "ScikitLearn",
        }
        name = registration.name
        model = register_once(
            self.calls,
            f"registering model {name}",
            properties=properties,
            known=lambda: sorted((SimpleNamespace(**model) for model in self.rest.models(name)), key=_number),
            make=lambda: self.rest.register_model(name, registration.run_id, registration.output, fields),
            delete=lambda model: self.rest.delete_model(model.id),
        )
        return version_of(
            name,
            _number(model),
            properties=properties,
            description=registration.description,
            tags=registration.tags,
            created=model.createdTime,
            run_id=registration.run_id,
            read=partial(self._read, registration),
        )

    def _read(self, registration: Registration) -> bytes:
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            self.fetch(registration.run_id, [registration.output], Path(folder))
            return Path(folder, registration.output).read_bytes()


def _no_client() -> Any:
    raise ClusterError("a node has no azure-ai-ml: what it asks of the workspace goes by plain requests")


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
