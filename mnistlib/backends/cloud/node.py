"""A service's side on a node, for the command that runs there."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from mnistlib.artifacts import read_verified
from mnistlib.backends.cloud.chooser import chooser_of
from mnistlib.backends.cloud.service import Registration, Service
from mnistlib.jobs import Job
from mnistlib.jobs.execute import Outcome
from mnistlib.jobs.node import NodeService
from mnistlib.runs import RunContext, read_metrics
from mnistlib.runs.handle import MODEL_OUTPUT


class NodeSide(NodeService):
    """What the command of a node asks of the service that runs it."""

    @property
    @abstractmethod
    def service(self) -> Service:
        """The service, with the rights that this node has."""

    def chooser(self, children: Sequence[str]) -> Callable[[Job, RunContext], Outcome]:
        """Return the work of a sweep's last run."""
        return chooser_of(self.service, children)

    @abstractmethod
    def keep(self, name: str, path: Path) -> None:
        """Send a file of this run now, unless the service has collected it already."""

    def register(self, name: str, run_id: str, folder: Path) -> None:
        """Register the model that this run has left in its folder."""
        content, origin = read_verified(folder / MODEL_OUTPUT)
        self.keep(MODEL_OUTPUT, folder / MODEL_OUTPUT)
        self.service.register(
            Registration(
                name=name,
                run_id=run_id,
                output=MODEL_OUTPUT,
                sha256=hashlib.sha256(content).hexdigest(),
                metrics=read_metrics(folder).latest,
                description="",
                tags={},
                origin=origin,
            )
        )

    def close_sweep(self, run_id: str, *, error: str | None) -> None:
        """Record a sweep as ended."""
        self.service.close_sweep(run_id, error=error)
