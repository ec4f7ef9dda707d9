"""Base class of jobs: frozen data, checked on creation, converted to and from JSON."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from mnistlib.errors import JobError
from mnistlib.options import check_options
from mnistlib.runs import RunContext
from mnistlib.training.options import TrainingOptions

_TYPES: dict[str, type["Job"]] = {}


@dataclass(frozen=True)
class Outcome:
    """Result of a job that did not fail.

    Attributes
    ----------
    converged : bool or None
        Whether the solver converged; None for a job without a solver.
    cancelled : bool
        Whether a request to cancel ended the job early.
    """

    converged: bool | None = None
    cancelled: bool = False


Work = Callable[[RunContext], Outcome]
"""Work of a run, in any thread or process."""


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """Job as data. Each kind of job is one subclass; every difference between kinds is a method.

    Attributes
    ----------
    type : str
        Name of the kind in JSON.
    title : str
        Name of a run of this kind in texts for users.
    """

    type: ClassVar[str]
    title: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):  # convert NumPy scalars to Python numbers, which JSON can hold
            value = getattr(self, field.name)
            if hasattr(value, "dtype") and hasattr(value, "tolist"):
                object.__setattr__(self, field.name, value.tolist())
        check_options(self)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "type" not in cls.__dict__:
            return  # a part of a job, or a variant of a kind, which JSON does not name
        known = _TYPES.setdefault(cls.type, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"the kind of job {cls.type!r} is {known.__qualname__} of {known.__module__} already")
        _TYPES[cls.type] = cls  # defined again, as in a notebook

    @abstractmethod
    def execute(self, context: RunContext) -> Outcome:
        """Run the job and write its results to the run's outputs.

        Parameters
        ----------
        context : RunContext
            The job's side of the run.
        """

    def work(self, trials: Sequence[Path]) -> Work:
        """Return the work of the job's run. Called in the submitting thread, to capture its joblib settings.

        Parameters
        ----------
        trials : sequence of Path
            Run folders of the trials, in order.
        """
        return self.execute

    def trials(self) -> Sequence["Job"]:
        """Return the jobs of a sweep's trials, in order; empty for other jobs."""
        return ()

    @property
    def sweep(self) -> "Sweep | None":
        """The job, if it is a sweep of trials; None for other jobs."""
        return None

    @property
    def training(self) -> TrainingOptions | None:
        """Training options, shared by all trials in a sweep; None for a job that trains no model."""
        return None

    @property
    def reusable(self) -> bool:
        """Whether a completed run of an equal job can take the place of a trial; a script may have changed since."""
        return self.training is not None and not self.trials()

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables of the job's process; their values may be secret."""
        return {}

    def with_data(self, folder: Path) -> Self:
        """Return the job for a machine that has its data set in `folder`."""
        return self

    def content_elsewhere(self) -> dict[str, Any]:
        """Return the job's JSON content for another machine, without secrets and local paths."""
        content: dict[str, Any] = json.loads(self.to_json())
        return content

    def files_elsewhere(self, runs_folder: Path | None, ignore_files: Sequence[str]) -> dict[str, Path]:
        """Return the files, besides the data set, that the job needs on another machine, by name.

        Parameters
        ----------
        runs_folder : Path or None
            Folder of the backend's runs, which is excluded from a source folder.
        ignore_files : sequence of str
            Names of ignore files, such as ``.gitignore``, that exclude files of a source folder.
        """
        return {}

    def to_json(self) -> str:
        """Return the job as JSON text."""
        return json.dumps({"type": self.type, **asdict(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a job from JSON text.

        Raises
        ------
        JobError
            If the text is not a JSON object, or the object has an unknown key or an invalid value. The message lists
            the known keys.
        """
        content = _parse(text)
        if content.pop("type", cls.type) != cls.type:
            raise JobError(f'a {cls.type} job must be a JSON object whose "type" is "{cls.type}"')
        return cls.from_content(content)

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Self:
        """Read a job from parsed JSON without its type; see :meth:`from_json`."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(content) - set(known))
        if unknown:
            raise JobError(f"unknown keys in a {cls.type} job: {', '.join(unknown)}; known keys: {', '.join(known)}")
        needed = [field.name for field in fields(cls) if field.default is MISSING and field.default_factory is MISSING]
        missing = [name for name in needed if name not in content]
        if missing:
            raise JobError(f"missing keys in a {cls.type} job: {', '.join(missing)}")
        return cls(**content)


class Sweep(Job):
    """Job of several trials, each a run of its own, of which the best is chosen.

    Attributes
    ----------
    parameter : str
        Name of the field of the trials' jobs in which they differ, a number; for texts and charts.
    primary_metric : str
        Metric that selects the best trial; a field of the subclass.
    goal : str
        ``maximize`` or ``minimize``; a field of the subclass.
    """

    parameter: ClassVar[str]
    primary_metric: str
    goal: str

    @property
    def sweep(self) -> "Sweep":
        """The job itself."""
        return self

    def execute(self, context: RunContext) -> Outcome:
        """Raise an error: each trial of a sweep is its own run."""
        raise JobError("cannot execute a sweep as one job: submit it to a backend")

    @abstractmethod
    def trials(self) -> Sequence[Job]:
        """Return the jobs of the trials, in order."""

    @abstractmethod
    def work(self, trials: Sequence[Path]) -> Work:
        """Return the work of the sweep's run on one machine: run the trials, then choose; see :meth:`Job.work`."""

    @abstractmethod
    def choose(self, folders: Sequence[Path], context: RunContext) -> Outcome:
        """Select the best trial, and write its results to the outputs of the sweep's run.

        Parameters
        ----------
        folders : sequence of Path
            Run folders of the trials, in order; all trials have ended.
        context : RunContext
            Context of the sweep's run.

        Raises
        ------
        SweepFailedError
            If no trial completed.
        """


def job_from_json(text: str | bytes) -> Job:
    """Read a job of any type from JSON text.

    Raises
    ------
    JobError
        If the text is not a valid job.
    """
    content = _parse(text)
    kind = content.pop("type", None)
    if not isinstance(kind, str) or kind not in _TYPES:
        raise JobError(f'the "type" of a job must be one of {", ".join(_TYPES)}, not {kind!r}')
    return _TYPES[kind].from_content(content)


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise JobError(f"a job must be JSON: {error}") from error
    if not isinstance(content, dict):
        raise JobError("a job must be a JSON object")
    return content


def require_path(job: Job, name: str, *, optional: bool = False) -> None:
    """Convert a path attribute to str, which JSON can hold, and refuse other types."""
    value: Any = getattr(job, name)
    if isinstance(value, os.PathLike):
        object.__setattr__(job, name, os.fspath(value))
    elif not (optional and value is None):
        require_type(job, name, str)


def require_type(job: Job, name: str, kind: type) -> None:
    """Refuse an attribute that is not of the given type."""
    value: Any = getattr(job, name)
    if not isinstance(value, kind):
        raise JobError(f"{name} must be of type {kind.__name__}, not {value!r}")
