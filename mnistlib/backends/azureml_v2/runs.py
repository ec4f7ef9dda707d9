"""Runs of a workspace, through its REST interface and without an SDK."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.cluster_client import AzureRunClient
from mnistlib.backends.azure.runs import remote_run, runs_of_sweep
from mnistlib.backends.azureml_v2.rest import WorkspaceRest
from mnistlib.backends.cloud.cluster_client import RemoteRun


class AzureMLv2RunClient(AzureRunClient):
    """Run client through the REST interface of a workspace."""

    @property
    @abstractmethod
    def rest(self) -> WorkspaceRest:
        """The client of the workspace's REST interface."""

    def find(self, run_id: str) -> RemoteRun | None:
        """Return the current state of a run; see :meth:`RunClient.find`."""
        run = self.calls.make(f"looking at run {run_id}", lambda: self.rest.run(run_id))
        return self._remote(run) if run else None

    def children(self, sweep: RemoteRun) -> Sequence[RemoteRun]:
        """Return the trials of a sweep; see :meth:`RunClient.children`."""
        action = f"looking at sweep {sweep.run_id}"
        return runs_of_sweep(
            sweep,
            self.find,
            lambda: [self._remote(run) for run in self.calls.make(action, lambda: self.rest.children(sweep.run_id))],
        )

    def close_sweep(self, run_id: str, *, error: str | None) -> None:
        """Do nothing: the workspace closes a sweep when its trials have ended; see :meth:`RunClient.close_sweep`."""

    def file_names(self, run_id: str) -> Sequence[str]:
        """Return the names of a run's files; see :meth:`FileClient.file_names`."""
        return self.calls.make(f"listing the files of run {run_id}", lambda: self.rest.file_names(run_id))

    def keep(self, run_id: str, name: str, path: Path) -> bool:
        """Add a file to a run, unless the name is taken; see :meth:`FileClient.keep`."""
        return self.calls.make(f"sending {name} of run {run_id}", lambda: self.rest.upload(run_id, name, path))

    def _fetch_one(self, run_id: str, name: str, target: Path) -> None:
        self.rest.download(run_id, name, target)

    def _remote(self, run: Mapping[str, Any]) -> RemoteRun:
        run_id, action = run["runId"], f"reading the error of run {run['runId']}"
        return remote_run(
            run_id,
            run["experimentName"],
            run["status"],
            properties=run["properties"],
            tags=run["tags"],
            parent=run.get("parentRunId"),
            created=run["createdUtc"],
            read_error=lambda: self.calls.make(action, lambda: self.rest.error_of(run_id)),
        )
