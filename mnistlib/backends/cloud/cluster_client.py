"""Adapter from a cluster backend to one SDK, which alone knows the terms of that cloud.

It comes in parts, so that each user needs the methods that it calls only: the files of runs, the runs, and submission.
A client returns types of this package and raises errors of this package. Every call may be made twice: what is asked
for is named by the caller, by run id, digest or name, so that a call whose answer was lost is found to have worked.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mnistlib.backends.cloud.specification import EnvironmentSpecification
from mnistlib.backends.cloud.staging import ShippingRules
from mnistlib.jobs import SweepJob
from mnistlib.runs import RunStatus


@dataclass(frozen=True, kw_only=True)
class RemoteRun:
    """What a cluster knows of a run.

    Attributes
    ----------
    run_id, experiment : str
        Who it is.
    status : RunStatus
        What has become of it.
    created : str
        When it was submitted, in UTC, as ISO 8601.
    name : str or None
        What a person calls it.
    tags : mapping of str to str
        What a person notes about it.
    properties : mapping of str to str
        What this package notes about it.
    parent : str or None
        Id of the sweep that it belongs to.
    error : str or None
        Why it failed, as far as the cluster knows.
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
        As :class:`RemoteRun` has them.
    folder : Path
        What is shipped.
    arguments : sequence of str
        For ``python -m mnistlib node`` on the node, beside the cluster's name and where the data is.
    data : mapping of str to Path
        Files of the job's data set by name; the node is told where they are by ``--data``.
    data_name : str or None
        What the cluster registers these files as, if it does.
    environment : mapping of str to str
        Variables for the job's process. They may be secrets.
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
        """Return the names of the files that the cluster keeps of a run."""

    @abstractmethod
    def is_output(self, name: str) -> bool:
        """Return whether a file is the standard output of the node's process."""

    @abstractmethod
    def fetch(self, run_id: str, names: Sequence[str], folder: Path) -> None:
        """Write files of a run into a folder; FileNotFoundError if one is not there."""

    @abstractmethod
    def keep(self, run_id: str, name: str, path: Path) -> bool:
        """Add a file to a run's files; return False, and change nothing, if there is one of that name."""


class RunClient(FileClient):
    """Runs of a cluster with their files: the part that a node needs, which closes a sweep."""

    @abstractmethod
    def find(self, run_id: str) -> RemoteRun | None:
        """Return a run as it is now; None if there is none."""

    @abstractmethod
    def children(self, sweep: RemoteRun) -> Sequence[RemoteRun]:
        """Return the trials of a sweep that there are so far, in their order."""

    @abstractmethod
    def close_sweep(self, run_id: str, *, error: str | None) -> None:
        """Record a sweep as completed, or as failed and why, where the cluster does not see that by itself."""


class ClusterClient(RunClient):
    """A cluster and its runs, through one SDK, with the right to submit.

    Attributes
    ----------
    name : str
        Name of its `BackendSpec`, by which the node's command finds its own side.
    cluster_text : str
        The cluster in words.
    lower_case : bool
        Whether it writes the ids of runs in lower case.
    shipping : ShippingRules
        Rules for the files that are sent with a job.
    """

    name: str
    cluster_text: str
    lower_case = False
    shipping = ShippingRules()

    def registered_as(self, dataset: str) -> str | None:
        """Return what the cluster registers a data set as, by its name or folder; None if it keeps its files only."""
        return None

    @property
    @abstractmethod
    def specification(self) -> EnvironmentSpecification:
        """The Python environment of the nodes."""

    @abstractmethod
    def prepare(self) -> None:
        """Make sure that there is a cluster to run on, before anything is submitted."""

    @abstractmethod
    def send(self, submission: Submission) -> None:
        """Start a run, once, however often it is sent."""

    @abstractmethod
    def send_sweep(self, submission: Submission, sweep: SweepJob, done: Sequence[str | None]) -> None:
        """Start the runs of a sweep, and record the sweep itself as running.

        Parameters
        ----------
        submission : Submission
            The sweep. Each run is shipped the same folder and finds its job in it by ``--trial``.
        sweep : SweepJob
            What to do.
        done : sequence of str or None
            In the order of the trials, the ids of those that have completed before; None for each to start, at least
            one.
        """

    @abstractmethod
    def runs(self) -> Sequence[RemoteRun]:
        """Return the runs that this package has submitted, the newest first."""

    @abstractmethod
    def stop(self, run_id: str) -> None:
        """Ask a run to stop."""
