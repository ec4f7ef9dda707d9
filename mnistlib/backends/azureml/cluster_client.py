"""Cluster client through azureml-core; see :mod:`mnistlib.backends.cloud.cluster_client`."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import CONFLICT, NOT_FOUND, status_of
from mnistlib.backends.azure.cluster_client import AzureClusterClient
from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azure.runs import new_properties, remote_run, runs_of_sweep, status_of_run
from mnistlib.backends.azureml.cluster import AzureMLCluster
from mnistlib.backends.azureml.data import AzureMLData, registered_name
from mnistlib.backends.azureml.deployments import AzureMLServices
from mnistlib.backends.azureml.environments import ensure_environment
from mnistlib.backends.azureml.models import AzureMLModels
from mnistlib.backends.cloud.cluster_client import RemoteRun, Submission
from mnistlib.backends.cloud.properties import CHILDREN, JOB_TYPE, TRIAL, new_id, properties_of
from mnistlib.backends.cloud.retries import RetryPolicy
from mnistlib.backends.cloud.specification import EnvironmentSpecification, specification_here
from mnistlib.errors import ClusterError
from mnistlib.jobs import Sweep

#: Further packages of a node of this backend, and those to mount a registered data set.
_PACKAGES = ("azureml-core", "setuptools")
_DATA_PACKAGES = ("azureml-dataset-runtime[fuse]",)


class AzureMLClusterClient(AzureClusterClient):
    """A workspace and a cluster in it; the ``azureml.core.Workspace`` is opened at first use."""

    name = "azureml"

    def __init__(
        self,
        open_workspace: Callable[[], Any],
        compute: AmlComputeSpec,
        *,
        specification: EnvironmentSpecification | None = None,
        registers_data: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        super().__init__(compute, specification=specification, policy=policy)
        self._open_workspace = open_workspace
        self.cluster = AzureMLCluster(lambda: self.workspace, compute, self.calls)
        # Whether the data of jobs is registered as data sets; the nodes then need azureml-dataset-runtime.
        self._registers_data = registers_data
        self._data = AzureMLData(lambda: self.workspace, self.calls)
        self._experiments: dict[str, Any] = {}
        self._runs: dict[str, Any] = {}
        self._experiment_of: dict[str, str] = {}

    @cached_property
    def workspace(self) -> Any:
        """The workspace."""
        return self.calls.make("opening the workspace", self._open_workspace)

    def registered_as(self, dataset: str) -> str | None:
        """Return the registered name of a data set; see :meth:`ClusterClient.registered_as`."""
        return registered_name(dataset) if self._registers_data else None

    def send(self, submission: Submission) -> None:
        """Start a run exactly once; see :meth:`ClusterClient.send`."""
        from azureml.core import ScriptRunConfig

        command = ["python", "-m", "mnistlib", "node", "--backend", self.name, *submission.arguments]
        config = ScriptRunConfig(
            source_directory=str(submission.folder),
            command=command,
            compute_target=self.cluster.spec.name,
            environment=self._environment,
        )
        if submission.data:
            folder = self._data.bring(submission.data, config.run_config, register_as=submission.data_name)
            command += ["--data", folder]
        config.run_config.environment_variables = dict(submission.environment)
        experiment = self._experiment(submission.experiment)
        self._experiment_of[submission.run_id] = submission.experiment
        self._submit_once(
            submission,
            is_there=lambda: self._find(submission.run_id, submission.experiment),
            start=lambda: experiment.submit(config, run_id=submission.run_id, _parent_run_id=submission.parent),
        )
        self._describe(submission)

    def send_sweep(self, submission: Submission, sweep: Sweep, done: Sequence[str | None]) -> Submission:
        """Record a sweep as running, and start its trials; see :meth:`ClusterClient.send_sweep`."""
        ids = [known or new_id(submission.experiment) for known in done]
        experiment = self._experiment(submission.experiment)
        self.calls.make(
            f"recording sweep {submission.run_id}",
            lambda: experiment.start_logging(run_id=submission.run_id, snapshot_directory=None, outputs=False),
        )
        described = replace(submission, properties={**submission.properties, CHILDREN: json.dumps(ids)})
        self._describe(described)
        sent: list[str] = []
        try:
            for trial, (run_id, known) in enumerate(zip(ids, done, strict=True)):
                if known is None:
                    sent.append(run_id)
                    self.send(_trial_of(submission, run_id, sweep, trial))
        except BaseException:
            # Cancel the trials sent so far: they would wait for the rest of the sweep.
            for run_id in sent:
                with suppress(ClusterError):
                    self.stop(run_id)
            self.close_sweep(submission.run_id, error=f"run {sent[-1]} of the sweep could not be submitted")
            raise
        return described

    def close_sweep(self, run_id: str, *, error: str | None) -> None:
        """Record a sweep as ended; see :meth:`RunClient.close_sweep`."""
        sweep = self.sdk_run(run_id)
        self.calls.make(f"closing sweep {run_id}", partial(sweep.fail, error) if error else sweep.complete)

    def children(self, sweep: RemoteRun) -> Sequence[RemoteRun]:
        """Return the trials of a sweep; see :meth:`RunClient.children`."""
        return runs_of_sweep(sweep, self.find, lambda: self._trials(sweep.run_id))

    def _trials(self, run_id: str) -> list[RemoteRun]:
        sweep = self.sdk_run(run_id)
        trials = self.calls.make(f"looking at sweep {run_id}", lambda: list(sweep.get_children()))
        return [replace(self._remote(trial), parent=run_id) for trial in trials]

    def find(self, run_id: str) -> RemoteRun | None:
        """Return the current state of a run; see :meth:`RunClient.find`."""
        run = self.sdk_run(run_id)
        return self._remote(run) if run else None

    def runs(self) -> Sequence[RemoteRun]:
        """Return the runs of this package, the newest first; see :meth:`ClusterClient.runs`."""
        experiments = self.calls.make("listing the experiments", lambda: self.workspace.experiments)
        found = [
            self._remote(run)
            for experiment in experiments.values()
            for run in self.calls.make("listing the runs", partial(_runs_of, experiment))
            if JOB_TYPE in run.properties or JOB_TYPE in run.tags  # nodes of azureml-v2 write tags
        ]
        return sorted(found, key=lambda run: run.created, reverse=True)

    def stop(self, run_id: str) -> None:
        """Ask a run to stop; see :meth:`ClusterClient.stop`."""
        run = self.sdk_run(run_id)

        def cancel() -> None:
            run.cancel()
            # The SDK ignores the response: only the run's status shows whether the request was accepted.
            status = self.sdk_run(run_id).status
            if status != "CancelRequested" and not status_of_run(status).ended:
                raise TimeoutError("the workspace did not acknowledge the cancellation")

        self.calls.make(f"cancelling run {run_id}", cancel)

    def file_names(self, run_id: str) -> Sequence[str]:
        """Return the names of a run's files; see :meth:`FileClient.file_names`."""
        names: list[str] = self.calls.make(f"listing the files of run {run_id}", self._files_of(run_id).get_file_names)
        return names

    def _fetch_one(self, run_id: str, name: str, target: Path) -> None:
        try:
            self._files_of(run_id).download_file(name, output_file_path=str(target))
        except Exception as error:  # the SDK has no class for 404
            if status_of(error) == NOT_FOUND or "was not found" in str(error):
                raise FileNotFoundError(f"run {run_id} has no file {name!r}") from error
            raise

    def keep(self, run_id: str, name: str, path: Path) -> bool:
        """Add a file to a run, unless the name is taken; see :meth:`FileClient.keep`."""
        run = self._files_of(run_id)

        def add() -> bool:
            try:
                run.upload_file(name, str(path))
            except Exception as error:  # the SDK wraps the workspace's error in several classes
                if status_of(error) == CONFLICT:
                    return False
                raise
            return True

        return self.calls.make(f"sending {name} of run {run_id}", add)

    @property
    def models(self) -> AzureMLModels:
        """The models of the workspace."""
        return AzureMLModels(self.workspace, self.calls, self.services, self.sdk_run)

    @property
    def services(self) -> AzureMLServices:
        """The deployed services of the workspace."""
        return AzureMLServices(self.workspace, self.calls)

    def sdk_run(self, run_id: str) -> Any:
        """Return the SDK's own object for a run, or None on 404."""
        run = self.calls.make(f"looking at run {run_id}", lambda: self._find(run_id, self._experiment_of.get(run_id)))
        if run is not None:
            self._experiment_of[run_id] = run.experiment.name
        return run

    def _files_of(self, run_id: str) -> Any:
        """Return the SDK's object for a run, from a cache: the place of its files never changes."""
        if run_id not in self._runs:
            self._runs[run_id] = self.sdk_run(run_id)
        return self._runs[run_id]

    def _find(self, run_id: str, experiment: str | None) -> Any:
        from azureml.core import Run

        try:
            if experiment is None:
                return Run.get(self.workspace, run_id)
            return Run(self._experiment(experiment), run_id)
        except Exception as error:  # the SDK has no class for 404
            if status_of(error) != NOT_FOUND:
                raise
        # azure-ai-ml changes the name of the experiment to lower case.
        return self._find(run_id, None) if experiment else None

    def _remote(self, run: Any) -> RemoteRun:
        return remote_run(
            run.id,
            run.experiment.name,
            run.status,
            properties=run.properties,
            tags=run.tags,
            parent=None,
            created="",
            read_error=partial(self._error_of, run),
        )

    def _error_of(self, run: Any) -> str | None:
        details = self.calls.make(f"reading the error of run {run.id}", run.get_details)
        error = (details.get("error") or {}).get("error") or {}
        return error.get("message")

    def _describe(self, submission: Submission) -> None:
        run = self.sdk_run(submission.run_id)
        properties = new_properties(submission)
        self.calls.make(f"describing run {run.id}, which has been submitted,", lambda: run.add_properties(properties))
        if submission.tags:
            self.calls.make(f"tagging run {run.id}", lambda: run.set_tags(dict(submission.tags)))
        if submission.name:
            self.calls.make(f"naming run {run.id}", lambda: setattr(run, "display_name", submission.name))

    def _experiment(self, name: str) -> Any:
        from azureml.core import Experiment

        if name not in self._experiments:
            self._experiments[name] = self.calls.make(
                f"opening experiment {name}", lambda: Experiment(self.workspace, name)
            )
        return self._experiments[name]

    def _specification_here(self) -> EnvironmentSpecification:
        return specification_here(besides=_PACKAGES + (_DATA_PACKAGES if self._registers_data else ()))

    def _ensure_environment(self) -> Any:
        """Return the registered environment of the specification, found by its name; register it if missing."""
        return ensure_environment(self.workspace, self.specification)


def _trial_of(submission: Submission, run_id: str, sweep: Sweep, trial: int) -> Submission:
    """Return the submission of a trial, from that of its sweep."""
    return Submission(
        run_id=run_id,
        experiment=submission.experiment,
        folder=submission.folder,
        arguments=(*submission.arguments, "--sweep", submission.run_id, "--trial", str(trial)),
        properties=properties_of(sweep.trials()[trial]) | {TRIAL: str(trial)},
        parent=submission.run_id,
        data=submission.data,
        data_name=submission.data_name,
        environment=submission.environment,
    )


def _runs_of(experiment: Any) -> list[Any]:
    return list(experiment.get_runs(include_children=True))
