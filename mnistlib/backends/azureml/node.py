"""Run reporter on a node, through azureml-core."""

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azureml.cluster_client import AzureMLClusterClient
from mnistlib.backends.azureml.models import AzureMLModels
from mnistlib.backends.cloud.node import NodeSide
from mnistlib.backends.cloud.properties import ended_properties
from mnistlib.jobs import Job
from mnistlib.runs import RunRecord, RunStatus


class AzureMLNode(NodeSide):
    """Run reporter of this process's run, identified by environment variables of the workspace."""

    # A script in its own process must send its metrics before it ends; the SDK does not do so at exit.
    script_launcher = ("-m", "mnistlib.backends.azureml.script")

    def __init__(self, run: Any = None) -> None:
        from azureml.core import Run

        # No offline run: it would print the metrics and lose them.
        self._run = run or Run.get_context(allow_offline=False)
        self.run_id: str = self._run.id
        self.experiment: str = self._run.experiment.name

    @cached_property
    def runs(self) -> AzureMLClusterClient:
        """The workspace of this process's run."""
        return AzureMLClusterClient(lambda: self._run.experiment.workspace, AmlComputeSpec())

    @property
    def registrar(self) -> AzureMLModels:
        """The registry of the workspace."""
        return self.runs.models

    def of(self, run_id: str) -> Self:
        """Return the reporter of another run of the experiment."""
        return self if run_id == self.run_id else type(self)(self.runs.sdk_run(run_id))

    def begin(self, job: Job, *, trial: int | None) -> None:
        """Do nothing: the submission has published the job; see :meth:`RunReporter.begin`."""

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Log values of metrics; see :meth:`RunReporter.log_metrics`."""
        for name, step, value in points:
            self._run.log(name, value, step=step)

    def conclude(self, record: RunRecord) -> None:
        """Report the end of the run; see :meth:`RunReporter.conclude`."""
        # A preempted node is asked to stop, too; the node that replaces it reports the end.
        if record.status is not RunStatus.CANCELLED:
            properties = ended_properties(record)
            self.runs.calls.make(
                f"reporting the end of run {self.run_id}", lambda: self._run.add_properties(properties)
            )

    def flush(self) -> None:
        """Wait until all metrics have been sent."""
        self._run.flush()


def flush_if_used() -> None:
    """Send the metrics that this process has logged with azureml-core, if it has imported azureml-core."""
    if "azureml.core" in sys.modules:
        from azureml.core import Run

        context = Run.get_context()
        if hasattr(context, "flush"):
            context.flush()
