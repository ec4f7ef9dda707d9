"""Cluster client through azure-ai-ml; see :mod:`mnistlib.backends.cloud.cluster_client`.

The SDK submits jobs, and manages clusters, environments, data and models. For operations that it lacks, such as the
files of a running job, there is :mod:`mnistlib.backends.azureml_v2.rest`.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import found
from mnistlib.backends.azure.cluster_client import AzureClusterClient
from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azure.runs import CREATED, new_properties, status_of_run
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
from mnistlib.jobs import Sweep

#: Packages for logging on a node, not needed here; azureml-mlflow pins its version of MLflow.
_PACKAGES = ("mlflow-skinny", "azureml-mlflow")
_ASSET = "mnistlib-data"
_DATA, _TRIAL = "data", "trial"  # names of a job's inputs
_SWEEP_SECONDS = 7 * 24 * 3600  # the workspace requires a limit; this one is too high to matter


class AzureMLv2ClusterClient(AzureMLv2RunClient, AzureClusterClient):
    """A workspace and a cluster in it; the ``azure.ai.ml.MLClient`` and the REST client are opened at first use."""

    name = "azureml-v2"
    lower_case = True  # the workspace changes the ids of sweeps to lower case

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
        """The client of the workspace's REST interface."""
        return self.calls.make("opening the workspace", self._open_rest)

    def send(self, submission: Submission) -> None:
        """Start a run exactly once; see :meth:`ClusterClient.send`."""
        self._submit(submission, self._command(submission, *submission.arguments))

    def send_sweep(self, submission: Submission, sweep: Sweep, done: Sequence[str | None]) -> Submission:
        """Start a sweep of the workspace over the remaining trials; see :meth:`ClusterClient.send_sweep`."""
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
        described = replace(submission, properties={**submission.properties, CHILDREN: json.dumps(done)})
        for name, value in self._described(described, new_properties(described)).items():
            setattr(trials, name, value)
        self._submit(described, trials)
        return described

    def runs(self) -> Sequence[RemoteRun]:
        """Return the runs of this package, the newest first; see :meth:`ClusterClient.runs`."""
        known = [self._remote(run) for run in self.calls.make("listing the runs", self.rest.runs)]
        # A trial of this package's sweep has no property of this package until its node writes one.
        own = {run.run_id for run in known if CREATED in run.properties}
        submitted = [run for run in known if run.run_id in own or run.parent in own]
        return sorted(submitted, key=lambda run: run.created, reverse=True)

    def stop(self, run_id: str) -> None:
        """Ask a run to stop; see :meth:`ClusterClient.stop`."""

        def cancel() -> None:
            try:
                self.client.jobs.begin_cancel(run_id)
            except Exception:  # the class is azure-core's, which this module does not import
                run = self.rest.run(run_id)
                # The run has ended meanwhile, or an earlier try worked and its answer was lost.
                if run is None or not (run["status"] == "CancelRequested" or status_of_run(run["status"]).ended):
                    raise

        self.calls.make(f"cancelling run {run_id}", cancel)

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
            **self._described(submission, new_properties(submission)),
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
        """Return the registered environment of the specification, found by its name; register it if missing."""
        return ensure_environment(self.client, self.specification)

    def _asset_of(self, files: Mapping[str, Path]) -> str:
        """Send data as an asset with its digest as version, unless it exists; return the asset's name."""
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
