"""What every backend on a cluster does, whatever the SDK: stage, submit, attach."""

import json
import os
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mnistlib.backends.base import Backend
from mnistlib.backends.cloud.run import CHILDREN, CHOOSER, JOB_TYPE, CloudRun, record_of
from mnistlib.backends.cloud.service import RemoteRun, Service, Submission
from mnistlib.backends.cloud.staging import stage
from mnistlib.backends.plan import Plan
from mnistlib.datasets import DIGITS, NAMES, fetch_dataset
from mnistlib.datasets.folder import require_files
from mnistlib.errors import BackendError, RunNotFoundError, RunStateError
from mnistlib.jobs import Job, ScriptJob, SweepJob, TrainJob
from mnistlib.jobs.job import job_from_json
from mnistlib.models import Models, require_model_name
from mnistlib.runs import Run, RunRecord, RunStatus, default_runs_folder
from mnistlib.runs.record import now, require_experiment_name

#: How a job's data set can come to the node on every service.
DATA_WAYS = ("upload", "fetch")
#: Names the way that is meant where none is named.
DATA_VARIABLE = "MNISTLIB_CLOUD_DATA"
#: Property of a run that this package has submitted: its job, as JSON, where it is short enough to be one.
JOB = "mnistlib.job"
#: Property of the run that chooses: the sweep that it belongs to.
CHOOSES = "mnistlib.chooses"

# Below the runs folder, where runs that lie elsewhere bring their files; no experiment's name begins with a dot.
_BROUGHT = ".cloud"


class CloudBackend(Backend):
    """Runs jobs on a cluster, through a service.

    Parameters
    ----------
    service : Service
        The cluster.
    data : str, optional
        One of `data_ways`: whether a job's data set is sent from here, once, or fetched by the node. Default: the
        environment variable ``MNISTLIB_CLOUD_DATA``, else ``upload``.
    runs_folder : str or PathLike, optional
        Below it, in ``.cloud``, results bring their files.
    """

    #: What its handles are.
    run_class: type[CloudRun] = CloudRun
    #: How its jobs' data can come to the node.
    data_ways: Sequence[str] = DATA_WAYS

    def __init__(self, service: Service, *, data: str | None = None, runs_folder: Path | None = None) -> None:
        self._service = service
        self._data = self.way_of_data(data)
        self._folder = (runs_folder or default_runs_folder()) / _BROUGHT

    @classmethod
    def way_of_data(cls, named: str | None) -> str:
        """Return how data comes to the node, of what was named in a call or in the environment.

        Raises
        ------
        BackendError
            If there is no such way.
        """
        way = named or os.environ.get(DATA_VARIABLE) or DATA_WAYS[0]
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
        """Ship a job to the cluster; see :meth:`Backend.submit`."""
        require_experiment_name(experiment)
        registers: tuple[str, ...] = ()
        if register_as is not None:
            require_model_name(register_as)
            registers = ("--register-as", register_as)
        self._service.prepare()
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            stage(job).write(Path(folder))
            whole = self._submission(job, Path(folder), experiment, self._data_of(job), *registers)
            whole = replace(whole, name=name, tags=dict(tags or {}))
            if isinstance(job, SweepJob):
                return self._submit_sweep(job, whole, registers, resume=resume)
            self._service.send(whole)
        return self._handle_of(whole)

    def attach(self, run_id: str) -> CloudRun:
        """Return a handle on a run; see :meth:`Backend.attach`."""
        run = self._service.find(run_id)
        if run is None:
            raise RunNotFoundError(f"no run {run_id!r} in {self!r}")
        return self._handle(run)

    def runs(self) -> list[Run]:
        """Return handles on all runs, the newest first."""
        return [self._handle(run) for run in self._runs()]

    def records(self) -> list[RunRecord]:
        """Return what the service knows of all runs, the newest first; of a sweep's metrics its own record tells."""
        return [record_of(run) for run in self._runs()]

    def _runs(self) -> list[RemoteRun]:
        """Return all runs but those that choose: they are part of their sweeps."""
        return [run for run in self._service.runs() if CHOOSES not in run.properties]

    def delete(self, run_id: str) -> None:
        """Refuse: a workspace keeps its runs; see :meth:`Backend.delete`."""
        self.attach(run_id)
        raise RunStateError(f"run {run_id} can't be deleted: {self!r} keeps all runs")

    def plan(self, job: Job) -> Plan:
        """Return what submitting a job would do; see :meth:`Backend.plan`."""
        shipped, data = stage(job).sizes, _sizes(self._data_of(job))
        environment = self._service.specification
        command = " ".join(["python -m mnistlib node", *self._service.node_arguments])
        steps = [
            f"find the cluster, or make it: {self._service.cluster_text}",
            f"{'register' if environment.conda else 'use'} the environment {environment.name}: {environment.text}",
            f"send {_total(shipped)} of source, unless they are there unchanged",
        ]
        if data:
            steps.append(f"send {_total(data)} of data, unless they are there: {', '.join(data)}")
            if name := self._name_of(job):
                steps.append(f"register them as the data set {name}: a new version, unless one has the same content")
        if isinstance(job, SweepJob):
            steps.append(f"run {len(job.regularization)} rates, each on a node: {command}")
            steps.append("run what chooses the best of them, when they have ended")
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

    @property
    def models(self) -> Models:
        """The registered models."""
        return self._service.models

    def _submission(
        self, job: Job, folder: Path, experiment: str, data: Mapping[str, Path], *arguments: str
    ) -> Submission:
        run_id = _new_id(experiment)
        names = ["--run-id", run_id, "--experiment", experiment]
        return Submission(
            run_id=run_id,
            experiment=experiment,
            folder=folder,
            arguments=["node", *self._service.node_arguments, *names, *arguments],
            properties={JOB_TYPE: job.type} | ({JOB: job.to_json()} if isinstance(job, TrainJob) else {}),
            data=data,
            data_name=self._name_of(job) if data else None,
            environment=job.environment if isinstance(job, ScriptJob) else {},
        )

    def _data_of(self, job: Job) -> dict[str, Path]:
        """Return the files of a job's data set that are to be sent; none where the node has or fetches them."""
        if isinstance(job, SweepJob):
            return self._data_of(job.base)
        if not isinstance(job, TrainJob) or job.dataset == DIGITS:
            return {}
        if job.dataset not in NAMES:
            folder = Path(job.dataset)
            return {path.name: path for path in require_files(folder).values()} if folder.is_dir() else {}
        if self._data == "fetch":
            return {}
        found = fetch_dataset(job.dataset, data_folder=job.data_folder)
        return {path.name: path for path in found.values()}

    def _name_of(self, job: Job) -> str | None:
        """Return what the service registers a job's data set as, if it does."""
        training = job.base if isinstance(job, SweepJob) else job
        return self._service.registered_as(training.dataset) if isinstance(training, TrainJob) else None

    def _submit_sweep(self, sweep: SweepJob, whole: Submission, registers: Sequence[str], *, resume: bool) -> CloudRun:
        """Send the children and, after them, the run that chooses; all of them are shipped the same files."""
        done = self._completed(whole.experiment) if resume else {}
        same = (whole.folder, whole.experiment, whole.data)
        children: list[Submission | RemoteRun] = [
            done.get(job) or self._submission(job, *same, "--child", str(number))
            for number, job in enumerate(sweep.children())
        ]
        ids = [child.run_id for child in children]
        chooses = ("--sweep", whole.run_id, "--children", ",".join(ids), *registers)
        chooser = self._submission(sweep, *same, *chooses)
        chooser = replace(chooser, properties={JOB_TYPE: sweep.type, CHOOSES: whole.run_id})
        links = {CHILDREN: json.dumps(ids), CHOOSER: chooser.run_id}
        whole = replace(whole, properties={**whole.properties, **links})
        self._service.open_sweep(whole)
        for submission in (*children, chooser):
            if isinstance(submission, Submission):
                self._service.send(replace(submission, parent=whole.run_id))
        return self._handle_of(whole)

    def _completed(self, experiment: str) -> dict[Job, RemoteRun]:
        """Return the training runs that have completed in an experiment, by their jobs."""
        return {
            job_from_json(run.properties[JOB]): run
            for run in self._service.runs()
            if run.experiment == experiment and run.status is RunStatus.COMPLETED and JOB in run.properties
        }

    def _handle_of(self, submission: Submission) -> CloudRun:
        run = RemoteRun(
            run_id=submission.run_id,
            experiment=submission.experiment,
            status=RunStatus.QUEUED,
            created=now(),
            name=submission.name,
            tags=submission.tags,
            properties=submission.properties,
            parent=submission.parent,
        )
        return self._handle(run)

    def _handle(self, run: RemoteRun) -> CloudRun:
        return self.run_class(self._service, run, self._folder / run.run_id)


def _sizes(files: Mapping[str, Path]) -> dict[str, int]:
    return {name: path.stat().st_size for name, path in files.items()}


def _total(sizes: Mapping[str, int]) -> str:
    return f"{len(sizes)} files, {sum(sizes.values()) / 1e6:.2f} MB,"


def _new_id(experiment: str) -> str:
    """Return an id that is ours before the service knows of it, so that a lost answer loses no run."""
    return f"{experiment}_{int(time.time())}_{secrets.token_hex(4)}"
