"""A service's side on a node, for the command that runs there."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from mnistlib.backends.cloud.chooser import chooser_of
from mnistlib.backends.cloud.service import Service
from mnistlib.jobs import Job
from mnistlib.jobs.execute import Outcome
from mnistlib.jobs.node import NodeService
from mnistlib.runs import RunContext


class NodeSide(NodeService):
    """What the command of a node asks of the service that runs it."""

    @property
    @abstractmethod
    def service(self) -> Service:
        """The service, with the rights that this node has."""

    def chooser(self, children: Sequence[str]) -> Callable[[Job, RunContext], Outcome]:
        """Return the work of a sweep's last run."""
        return chooser_of(self.service, children)

    def close_sweep(self, run_id: str, *, error: str | None) -> None:
        """Record a sweep as ended."""
        self.service.close_sweep(run_id, error=error)
