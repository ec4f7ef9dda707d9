"""Cluster client through azure-ai-ml; see :mod:`mnistlib.backends.cloud.cluster_client`.

The SDK submits, and keeps clusters, environments, data and models. What it does not offer, such as the files of a run
that has not ended, is asked for by :mod:`mnistlib.backends.azureml_v2.rest`.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import found
from mnistlib.backends.azure.cluster_client import AzureClusterClient
from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azure.runs import CREATED, noted, status_of_run
from mnistlib.backends.azureml_v2.cluster import AzureMLv2Cluster
from mnistlib.backends.azureml_v2.deployments import AzureMLv2Services
from mnistlib.backends.azureml_v2.environments import ensure_environment
from mnistlib.backends.azureml_v2.models import AzureMLv2Models
from mnistlib.backends.azureml_v2.rest import WorkspaceRest
from mnistlib.backends.azureml_v2.runs import AzureMLv2RunClient
from mnistlib.backends.cloud.cluster_client import RemoteRun, Submission
from mnistlib.backends.cloud.digests import Digests
from mnistlib.backends.cloud.properties import CHILDREN
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.specification import EnvironmentSpecification, specification_here
from mnistlib.jobs import SweepJob

#: What a node logs with. azureml-mlflow says which MLflow fits it; none of it need be installed here.
_PACKAGES = ("mlflow-skinny", "azureml-mlflow")
_ASSET = "mnistlib-data"
_DATA, _TRIAL = "data", "trial"  # what a job's inputs are called
_SWEEP_SECONDS = 7 * 24 * 3600  # a limit is required; no sweep is to reach it


class AzureMLv2ClusterClient(AzureMLv2RunClient, AzureClusterClient):
    """A workspace and a cluster in it.

    Parameters
    ----------
    open_client : callable
        Returns the ``azure.ai.ml.MLClient``; called when it is first needed.
    open_rest : callable
        Returns the workspace's plain requests; called when they are first needed.
    compute : AmlComputeSpec
        The cluster; made when the first job is submitted, if it is not there.
    specification : EnvironmentSpecification, optional
        What jobs run in. Default: what runs here.
    policy : RetryPolicy, optional
        How patiently what fails for a moment is tried again.
    """

    name = "azureml-v2"
    lower_case = True  # of a sweep's only, but what comes back must be what was sent

    def __init__(
        self,
        open_client: Callable[[], Any],
        open_rest: Callable[[], WorkspaceRest],
        compute: AmlComputeSpec,
        *,
        specification: EnvironmentSpecification | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        super().__init__(compute, specification=specification, policy=policy)
        self._open_client, self._open_rest = open_client, open_rest
        self.cluster = AzureMLv2Cluster(lambda: self.client, compute, self.calls)
        self._digests = Digests()
        self._sent: dict[str, str] = {}

    @cached_property
    def client(self) -> Any:
        """The SDK's client of the workspace."""
        return self.calls.make("opening the workspace", self._open_client)

    @cached_property
    def rest(self) -> WorkspaceRest:
        """The workspace's plain requests."""
        return self.calls.make("opening the workspace", self._open_rest)

    def send(self, submission: Submission) -> None:
        """Start a run, once; see :meth:`ClusterClient.send`."""
        self._submit(submission, self._command(submission, *submission.arguments))

    def send_sweep(self, submission: Submission, sweep: SweepJob, done: Sequence[str | None]) -> None:
        """Start a sweep of the workspace's own over the trials that are left; see :meth:`ClusterClient.send_sweep`."""
        from azure.ai.ml.sweep import Choice

        left = [trial for trial, known in enumerate(done) if known is None]
        command = self._command(
            submission, *submission.arguments, "--sweep", submission.run_id, "--trial", f"${{{{inputs.{_TRIAL}}}}}",
            inputs={_TRIAL: left[0]},
        )  # fmt: skip
        trials = command(**{_TRIAL: Choice(left)}).sweep(
            compute=self.cluster.spec.name,
            sampling_algorithm="grid",
            primary_metric=sweep.primary_metric,
            goal=sweep.goal.capitalize(),
        )
        trials.set_limits(
            max_total_trials=len(left),
            max_concurrent_trials=min(len(left), self.cluster.spec.max_nodes),
            timeout=_SWEEP_SECONDS,
        )
        properties = {CHILDREN: json.dumps(done), **noted(submission)}
        for name, value in self._described(submission, properties).items():
            setattr(trials, name, value)
        self._submit(submission, trials)

    def runs(self) -> Sequence[RemoteRun]:
        """Return the runs of this package, the newest first; see :meth:`ClusterClient.runs`."""
        known = [self._remote(run) for run in self.calls.make("listing the runs", self.rest.runs)]
        # A trial of a sweep of ours has no property of its own before its node tells of it.
        own = {run.run_id for run in known if CREATED in run.properties}
        ours = [run for run in known if run.run_id in own or run.parent in own]
        return sorted(ours, key=lambda run: run.created, reverse=True)

    def stop(self, run_id: str) -> None:
        """Ask a run to stop; see :meth:`ClusterClient.stop`."""

        def ask() -> None:
            try:
                self.client.jobs.begin_cancel(run_id)
            except Exception:  # azure-core's class for it is no import of this file
                run = self.rest.run(run_id)
                # It ended meanwhile, or an earlier try has worked and its answer was lost.
                if run is None or not (run["status"] == "CancelRequested" or status_of_run(run["status"]).ended):
                    raise

        self.calls.make(f"cancelling run {run_id}", ask)

    @property
    def models(self) -> AzureMLv2Models:
        """The models of the workspace."""
        return AzureMLv2Models(self.client, self.rest, self.calls, self.services)

    @property
    def services(self) -> AzureMLv2Services:
        """The deployed services of the workspace."""
        return AzureMLv2Services(self.client, self.calls)

    def _command(self, submission: Submission, *arguments: str, inputs: Mapping[str, Any] | None = None) -> Any:
        from azure.ai.ml import Input, command

        words = ["python", "-m", "mnistlib", "node", "--backend", self.name, *arguments]
        given = dict(inputs or {})
        if submission.data:
            given[_DATA] = Input(type="uri_folder", path=self._asset_of(submission.data))
            words += ["--data", f"${{{{inputs.{_DATA}}}}}"]
        return command(
            command=" ".join(words),
            code=str(submission.folder),
            inputs=given,
            environment=self._environment,
            environment_variables=dict(submission.environment),
            compute=self.cluster.spec.name,
            **self._described(submission, noted(submission)),
        )

    def _described(self, submission: Submission, properties: Mapping[str, str]) -> dict[str, Any]:
        return {
            "name": submission.run_id,
            "experiment_name": submission.experiment,
            "display_name": submission.name or submission.run_id,
            "tags": dict(submission.tags),
            "properties": dict(properties),
        }

    def _submit(self, submission: Submission, job: Any) -> None:
        self._submit_once(
            submission,
            is_there=lambda: self.rest.run(submission.run_id),
            start=lambda: self.client.jobs.create_or_update(job),
        )

    def _specification_here(self) -> EnvironmentSpecification:
        return specification_here(unpinned=_PACKAGES)

    def _ensure_environment(self) -> str:
        """Return the registered environment of the specification; its name tells whether it is the right one."""
        return ensure_environment(self.client, self.specification)

    def _asset_of(self, files: Mapping[str, Path]) -> str:
        """Send data as an asset whose version is its digest, unless it is there; return what the asset is called."""
        from azure.ai.ml.entities import Data

        version = self._digests.of(files)[:32]
        if version not in self._sent:
            name = f"azureml:{_ASSET}:{version}"

            def send() -> None:
                if found(lambda: self.client.data.get(_ASSET, version=version)) is None:
                    with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
                        for name, path in files.items():
                            Path(folder, name).symlink_to(path.resolve())
                        wanted = Data(name=_ASSET, version=version, path=folder, type="uri_folder")
                        self.client.data.create_or_update(wanted)

            self.calls.make("sending the data", send)
            self._sent[version] = name
        return self._sent[version]
