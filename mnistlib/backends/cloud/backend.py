"""Base class of the backends on a cluster: stage, submit, attach."""

import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mnistlib.backends.base import Backend
from mnistlib.backends.cloud.cluster_client import ClusterClient, RemoteRun, Submission
from mnistlib.backends.cloud.properties import CHILDREN, CHOOSES, JOB, is_sweep, new_id, properties_of, record_of
from mnistlib.backends.cloud.run import CloudRun, with_status_of_trials
from mnistlib.backends.cloud.staging import Shipment, stage
from mnistlib.backends.plan import Plan
from mnistlib.datasets import CATALOG, DIGITS, NAMES, fetch_dataset
from mnistlib.datasets.folder import require_files
from mnistlib.environment import CLOUD_DATA
from mnistlib.errors import BackendError, DatasetNotFoundError, JobError, RunNotFoundError, RunStateError
from mnistlib.jobs import Job
from mnistlib.jobs.job import job_from_json
from mnistlib.models.version import require_model_name
from mnistlib.package import PACKAGE
from mnistlib.runs import Run, RunRecord, RunStatus
from mnistlib.runs.record import now, require_experiment_name
from mnistlib.runs.store import BROUGHT

#: Values of `data` on every cluster: ways to bring a job's data set to the node.
DATA_WAYS = ("upload", "fetch")

_log = logging.getLogger("mnistlib")


class CloudBackend(Backend):
    """Backend on a cluster, through a cluster client.

    Parameters
    ----------
    client : ClusterClient
        The cluster.
    data : str, optional
        One of `data_ways`: whether a job's data set is sent from here, once, or downloaded by the node. Default: the
        environment variable ``MNISTLIB_CLOUD_DATA``, else ``upload``.
    runs_folder : str or PathLike, optional
        Files of runs are downloaded into its subfolder ``.cloud``.
    """

    #: Class of its run handles.
    run_class: type[CloudRun] = CloudRun
    #: Allowed values of `data`.
    data_ways: Sequence[str] = DATA_WAYS

    def __init__(
        self, client: ClusterClient, *, data: str | None = None, runs_folder: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__(runs_folder)
        self._client = client
        self._data = self.way_of_data(data)

    @classmethod
    def way_of_data(cls, given: str | None) -> str:
        """Return the value of `data` to use: the given one, else that in ``MNISTLIB_CLOUD_DATA``, else ``upload``.

        Raises
        ------
        BackendError
            If the value is not one of `data_ways`.
        """
        way = given or CLOUD_DATA.get()
        if way not in cls.data_ways:
            raise BackendError(f"data must be one of {', '.join(cls.data_ways)}, not {way!r}")
        return way

    def submit(
        self,
        job: Job,
        *,
        experiment: str = "default",
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        resume: bool = False,
        register_as: str | None = None,
    ) -> CloudRun:
        """Send a job to the cluster; see :meth:`Backend.submit`."""
        require_experiment_name(experiment)
        registers: tuple[str, ...] = ()
        if register_as is not None:
            require_model_name(register_as)
            registers = ("--register-as", register_as)
        completed = self._completed(experiment) if resume else {}
        done = [completed.get(trial) if trial.reusable else None for trial in job.trials()]
        shipment, data = self._stage(job), self._data_of(job, download=True)
        self._client.prepare()
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            shipment.write(Path(folder))
            submission = Submission(
                run_id=new_id(experiment.lower() if self._client.lower_case else experiment),
                experiment=experiment,
                folder=Path(folder),
                arguments=registers,
                name=name,
                tags=dict(tags or {}),
                properties=properties_of(job),
                data=data,
                data_name=self._name_of(job) if data else None,
                environment=_variables(job),
            )
            if job.sweep and None in done:
                submission = self._client.send_sweep(submission, job.sweep, done)
            elif done:
                known = {CHILDREN: json.dumps(done), CHOOSES: "itself", **submission.properties}
                arguments = (*registers, "--sweep", submission.run_id)
                submission = replace(submission, properties=known, arguments=arguments)
                self._client.send(submission)
            else:
                self._client.send(submission)
        _log.info("run %s sent to %r", submission.run_id, self)
        return self._handle(_just_sent(submission))

    def attach(self, run_id: str) -> CloudRun:
        """Return a handle on a run; see :meth:`Backend.attach`."""
        run = self._client.find(run_id)
        if run is None:
            raise RunNotFoundError(f"no run {run_id!r} in {self!r}")
        return self._handle(run)

    def runs(self) -> list[Run]:
        """Return handles on all runs, the newest first."""
        return [self._handle(run) for run in self._runs()]

    def records(self) -> list[RunRecord]:
        """Return the records of all runs on the cluster, the newest first."""
        return [record_of(run) for run in self._runs()]

    def _runs(self) -> list[RemoteRun]:
        """Return all runs; the status of a sweep follows from its trials."""
        found = {run.run_id: run for run in self._client.runs()}
        return [with_status_of_trials(run, _runs_of(run, found)) if is_sweep(run) else run for run in found.values()]

    def delete(self, run_id: str) -> None:
        """Refuse: a cluster keeps its runs; see :meth:`Backend.delete`."""
        self.attach(run_id)
        raise RunStateError(f"run {run_id} can't be deleted: {self!r} keeps all runs")

    def plan(self, job: Job) -> Plan:
        """Return the steps that submitting a job would take; see :meth:`Backend.plan`."""
        shipped, data = self._stage(job).sizes, _sizes(self._data_of(job, download=False))
        environment = self._client.specification
        command = f"python -m mnistlib node --backend {self._client.name}"
        steps = [
            f"find or create the cluster: {self._client.cluster_text}",
            f"{'register' if environment.conda else 'use'} the environment {environment.name}: {environment.text}",
            f"send source: {_total(shipped)}, unless already there",
        ]
        if data:
            steps.append(f"send data: {_total(data)}, unless already there: {', '.join(data)}")
            if name := self._name_of(job):
                steps.append(f"register the data set {name}: a new version, unless one has the same content")
        training = job.training
        if not data and self._data != "fetch" and training and training.dataset in CATALOG:
            steps.append(f"download {training.dataset} to this machine and send it")
        if training and training.dataset not in NAMES and not Path(training.dataset).is_dir():
            steps.append(f"use the folder {training.dataset} on the node: this machine has no such folder")
        if trials := job.trials():
            steps.append(f"run {len(trials)} trials, each on a node: {command}")
            steps.append("choose the best trial, on the node of the last one to end")
        else:
            steps.append(f"run on a node: {command}")
        return Plan(
            backend=repr(self),
            steps=steps,
            shipped=shipped,
            data=data,
            command=command,
            environment=environment.conda,
        )

    def _stage(self, job: Job) -> Shipment:
        return stage(job, rules=self._client.shipping, runs_folder=self.runs_folder)

    def _data_of(self, job: Job, *, download: bool) -> dict[str, Path]:
        """Return the files of a job's data set to send: none if the node has or downloads them.

        Without `download`, none if they are not on this machine.
        """
        training = job.training
        if training is None or training.dataset == DIGITS:
            return {}
        if training.dataset not in NAMES:
            folder = Path(training.dataset)
            return {path.name: path for path in require_files(folder).values()} if folder.is_dir() else {}
        if self._data == "fetch":
            return {}
        try:
            found = fetch_dataset(
                training.dataset, data_folder=training.data_folder, download=download and training.download
            )
        except DatasetNotFoundError:
            if download:
                raise
            return {}
        return {path.name: path for path in found.values()}

    def _name_of(self, job: Job) -> str | None:
        """Return the registered name of a job's data set; None if the cluster does not register it."""
        return None if job.training is None else self._client.registered_as(job.training.dataset)

    def _completed(self, experiment: str) -> dict[Job, str]:
        """Return the ids of the completed runs of an experiment that can be reused, by job."""
        return {
            job: run.run_id
            for run in self._client.runs()
            if run.experiment == experiment and run.status is RunStatus.COMPLETED and (job := _job_of(run))
        }

    def _handle(self, run: RemoteRun) -> CloudRun:
        return self.run_class(self._client, run, self.runs_folder / BROUGHT / run.run_id, lambda: self.models)


def _variables(job: Job) -> dict[str, str]:
    """Return the environment variables of a job's process; PYTHONPATH puts the package that was sent first."""
    own = dict(job.variables)
    return own | {"PYTHONPATH": ":".join(filter(None, [PACKAGE, own.get("PYTHONPATH")]))}


def _job_of(run: RemoteRun) -> Job | None:
    """Return the job of a training run; None for other runs, and for jobs of an incompatible version."""
    try:
        return job_from_json(run.properties.get(JOB, "null"))
    except JobError:
        return None


def _runs_of(sweep: RemoteRun, found: Mapping[str, RemoteRun]) -> list[RemoteRun]:
    known: list[str | None] = json.loads(sweep.properties.get(CHILDREN, "[]"))
    return [run for run in found.values() if run.parent == sweep.run_id or run.run_id in known]


def _sizes(files: Mapping[str, Path]) -> dict[str, int]:
    return {name: path.stat().st_size for name, path in files.items()}


def _total(sizes: Mapping[str, int]) -> str:
    return f"{len(sizes)} files, {sum(sizes.values()) / 1e6:.2f} MB"


def _just_sent(submission: Submission) -> RemoteRun:
    """Return a run just after its submission, without a request."""
    return RemoteRun(
        run_id=submission.run_id,
        experiment=submission.experiment,
        status=RunStatus.QUEUED,
        created=now(),
        name=submission.name,
        tags=submission.tags,
        properties=submission.properties,
    )
