"""Adapter between a cluster backend and one SDK.

It has three levels, so that each caller depends only on the methods it uses: files, runs, submission. A client returns
types of this package and raises errors of this package. Every call is idempotent: the caller chooses the run id, digest
or name, so that a retry after a lost answer finds the result of the first try.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mnistlib.backends.cloud.specification import EnvironmentSpecification
from mnistlib.backends.cloud.staging import ShippingRules
from mnistlib.jobs import Sweep
from mnistlib.runs import RunStatus


@dataclass(frozen=True, kw_only=True)
class RemoteRun:
    """State of a run on a cluster.

    Attributes
    ----------
    run_id, experiment : str
        Id of the run and name of its experiment.
    status : RunStatus
        Status of the run.
    created : str
        Time of submission, in UTC, as ISO 8601.
    name : str or None
        Display name.
    tags : mapping of str to str
        The user's notes about the run.
    properties : mapping of str to str
        Data of this package about the run; see :mod:`mnistlib.backends.cloud.properties`.
    parent : str or None
        Id of the sweep that it belongs to.
    error : str or None
        The cluster's error message, if the run failed.
    """

    run_id: str
    experiment: str
    status: RunStatus
    created: str
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A run to start.

    Attributes
    ----------
    run_id, experiment, name, tags, properties, parent
        As for :class:`RemoteRun`.
    folder : Path
        Folder with the files to send.
    arguments : sequence of str
        Arguments of ``python -m mnistlib node``, besides the backend's name and the data folder.
    data : mapping of str to Path
        Files of the job's data set by name; the node gets their folder by ``--data``.
    data_name : str or None
        Name under which the cluster registers these files, if any.
    environment : mapping of str to str
        Environment variables of the job's process. They may be secrets.
    """

    run_id: str
    experiment: str
    folder: Path
    arguments: Sequence[str] = ()
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    data: Mapping[str, Path] = field(default_factory=dict)
    data_name: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class FileClient(ABC):
    """Files of the runs of a cluster."""

    @abstractmethod
    def file_names(self, run_id: str) -> Sequence[str]:
        """Return the names of a run's files on the cluster."""

    @abstractmethod
    def is_output(self, name: str) -> bool:
        """Return whether a file is the standard output of the node's process."""

    @abstractmethod
    def fetch(self, run_id: str, names: Sequence[str], folder: Path) -> None:
        """Download files of a run into a folder; FileNotFoundError if one does not exist."""

    @abstractmethod
    def keep(self, run_id: str, name: str, path: Path) -> bool:
        """Add a file to a run's files; return False, and change nothing, if the name is taken."""


class RunClient(FileClient):
    """Runs of a cluster with their files: the methods that a node needs."""

    @abstractmethod
    def find(self, run_id: str) -> RemoteRun | None:
        """Return the current state of a run, or None if it does not exist."""

    @abstractmethod
    def children(self, sweep: RemoteRun) -> Sequence[RemoteRun]:
        """Return the existing trials of a sweep, in order."""

    @abstractmethod
    def close_sweep(self, run_id: str, *, error: str | None) -> None:
        """Record a sweep as completed, or with `error` as failed, unless the cluster does so itself."""


class ClusterClient(RunClient):
    """A cluster and its runs, through one SDK, with submission.

    Attributes
    ----------
    name : str
        Name of its `BackendSpec`, for ``mnistlib node --backend``.
    cluster_text : str
        Description of the cluster.
    lower_case : bool
        Whether it changes the ids of runs to lower case.
    shipping : ShippingRules
        Rules for the files that are sent with a job.
    """

    name: str
    cluster_text: str
    lower_case: bool = False
    shipping: ShippingRules = ShippingRules()

    def registered_as(self, dataset: str) -> str | None:
        """Return the registered name of a data set, given by name or folder; None if it is not registered."""
        return None

    @property
    @abstractmethod
    def specification(self) -> EnvironmentSpecification:
        """The Python environment of the nodes."""

    @abstractmethod
    def prepare(self) -> None:
        """Make sure that the cluster is ready; called before each submission."""

    @abstractmethod
    def send(self, submission: Submission) -> None:
        """Start a run exactly once, even if it is sent repeatedly."""

    @abstractmethod
    def send_sweep(self, submission: Submission, sweep: Sweep, done: Sequence[str | None]) -> Submission:
        """Start the trials of a sweep, and record the sweep itself as running.

        Parameters
        ----------
        submission : Submission
            The sweep. All trials get the same folder; ``--trial`` selects the job.
        sweep : Sweep
            The job.
        done : sequence of str or None
            For each trial, in order, the id of a completed run to reuse, or None to start it; at least one is None.

        Returns
        -------
        Submission
            The sweep with the property `CHILDREN`.
        """

    @abstractmethod
    def runs(self) -> Sequence[RemoteRun]:
        """Return the runs that this package has submitted, the newest first."""

    @abstractmethod
    def stop(self, run_id: str) -> None:
        """Ask a run to stop."""
