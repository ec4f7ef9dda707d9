"""Run reporter on a cluster's node, with the runs and the registry of the cluster."""

import logging
from abc import abstractmethod
from pathlib import Path
from typing import Self

from mnistlib.backends.cloud.cluster_client import RunClient
from mnistlib.jobs.node import RunReporter
from mnistlib.models.artifact import read_verified
from mnistlib.models.interfaces import Registrar, Registration
from mnistlib.runs import read_metrics
from mnistlib.runs.result import MODEL_OUTPUT

_log = logging.getLogger("mnistlib")


class NodeSide(RunReporter):
    """A cluster's side on a node: reports the run, and closes the sweep that the run belongs to.

    Attributes
    ----------
    run_id, experiment : str
        Id of the reported run and name of its experiment.
    """

    run_id: str
    experiment: str

    @property
    @abstractmethod
    def runs(self) -> RunClient:
        """The runs of the cluster."""

    @property
    @abstractmethod
    def registrar(self) -> Registrar:
        """The registry of the cluster."""

    @abstractmethod
    def of(self, run_id: str) -> Self:
        """Return the node side of another run of the experiment."""

    def register(self, name: str, folder: Path) -> None:
        """Register the model in the run's folder; log a warning if there is none."""
        if not (folder / MODEL_OUTPUT).exists():
            _log.warning("NOT registered as %s: run %s has no %s", name, self.run_id, MODEL_OUTPUT)
            return
        content, origin = read_verified(folder / MODEL_OUTPUT)
        self.runs.keep(self.run_id, MODEL_OUTPUT, folder / MODEL_OUTPUT)
        metrics = read_metrics(folder).latest
        self.registrar.register(
            Registration(
                name=name, content=content, file=MODEL_OUTPUT, run_id=self.run_id, origin=origin, metrics=metrics
            )
        )
