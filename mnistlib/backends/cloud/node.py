"""A cluster's side on a node, for the command that runs there."""

import hashlib
import logging
from abc import abstractmethod
from pathlib import Path
from typing import Self

from mnistlib.backends.cloud.cluster_client import ClusterClient, Registration
from mnistlib.jobs.node import RunReporter
from mnistlib.models.artifact import read_verified
from mnistlib.runs import read_metrics
from mnistlib.runs.handle import MODEL_OUTPUT

_log = logging.getLogger("mnistlib")


class NodeSide(RunReporter):
    """What the command of a node asks of the cluster that runs it.

    Attributes
    ----------
    run_id, experiment : str
        The run that it tells of.
    """

    run_id: str
    experiment: str

    @property
    @abstractmethod
    def client(self) -> ClusterClient:
        """The cluster, with the rights that this node has."""

    @abstractmethod
    def of(self, run_id: str) -> Self:
        """Return what tells of another run of the experiment."""

    def register(self, name: str, folder: Path) -> None:
        """Register the model that the run has left in its folder; say so where it has left none."""
        if not (folder / MODEL_OUTPUT).exists():
            _log.warning("NOT registered as %s: run %s has no %s", name, self.run_id, MODEL_OUTPUT)
            return
        content, origin = read_verified(folder / MODEL_OUTPUT)
        self.client.keep(self.run_id, MODEL_OUTPUT, folder / MODEL_OUTPUT)
        self.client.register(
            Registration(
                name=name,
                run_id=self.run_id,
                output=MODEL_OUTPUT,
                sha256=hashlib.sha256(content).hexdigest(),
                metrics=read_metrics(folder).latest,
                description="",
                tags={},
                origin=origin,
            )
        )
