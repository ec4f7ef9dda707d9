"""A cluster's side on a node, for the command that runs there."""

import logging
from abc import abstractmethod
from pathlib import Path
from typing import Self

from mnistlib.backends.cloud.cluster_client import RunClient
from mnistlib.jobs.node import RunReporter
from mnistlib.models.artifact import read_verified
from mnistlib.models.interfaces import Registrar, Registration
from mnistlib.runs import read_metrics
from mnistlib.runs.handle import MODEL_OUTPUT

_log = logging.getLogger("mnistlib")


class NodeSide(RunReporter):
    """A cluster's side on a node: reports the run, and closes the sweep that it belongs to.

    Attributes
    ----------
    run_id, experiment : str
        The run that it reports.
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
        """Return the same for another run of the experiment."""

    def register(self, name: str, folder: Path) -> None:
        """Register the model that the run has left in its folder; say so where it has left none."""
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
