"""The node's side of azureml-core: metrics go to the run that the workspace has started."""

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
    """Tells the run of this process, found by the variables that the workspace has set."""

    # A script of its own process has to tell of its metrics before it ends, which nothing else makes it do.
    script_launcher = ("-m", "mnistlib.backends.azureml.script")

    def __init__(self, run: Any = None) -> None:
        from azureml.core import Run

        # Not offline: there metrics would be printed and lost.
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
        """Return what tells of another run of the experiment."""
        return self if run_id == self.run_id else type(self)(self.runs.sdk_run(run_id))

    def begin(self, job: Job, *, trial: int | None) -> None:
        """Tell nothing: whoever submitted the run knew what it does; see :meth:`RunReporter.begin`."""

    def log_metrics(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Tell of values of metrics."""
        for name, step, value in points:
            self._run.log(name, value, step=step)

    def conclude(self, record: RunRecord) -> None:
        """Tell how the run has ended; see :meth:`RunReporter.conclude`."""
        # A node that is taken away is asked to stop as well; it is for the next one to say how the run has ended.
        if record.status is not RunStatus.CANCELLED:
            told = ended_properties(record)
            self.runs.calls.make(f"saying how run {self.run_id} has ended", lambda: self._run.add_properties(told))

    def flush(self) -> None:
        """Return when all that was told has arrived."""
        self._run.flush()


def flush_if_used() -> None:
    """Send the metrics that this process has logged with azureml-core, if it has loaded it at all."""
    if "azureml.core" in sys.modules:
        from azureml.core import Run

        context = Run.get_context()
        if hasattr(context, "flush"):
            context.flush()
