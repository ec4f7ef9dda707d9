"""Record of a run: one small JSON file, replaced atomically at every change.

Only the process that runs a job writes its record. That process holds a lock until it ends. Readers check the lock: if
it is free although the record says that the run has not ended, the process has died and the run has failed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mnistlib.errors import JobError, RunStateError
from mnistlib.files import publish_bytes
from mnistlib.runs.status import RunStatus

RECORD_FILE = "run.json"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Record of a run.

    Attributes
    ----------
    run_id, experiment : str
        Id and experiment of the run.
    job_type : str
        ``type`` of the job.
    status : RunStatus
        Status of the run.
    process : str
        Token of the process that runs the job.
    created, started, ended : str or None
        Times in UTC, as ISO 8601.
    name : str or None
        Name given by a user.
    tags : mapping of str to str
        Tags given by a user.
    parent : str or None
        Id of the sweep that a trial belongs to.
    children : tuple of str
        Ids of the trials of a sweep, in order.
    error : str or None
        Reason of a failure.
    metrics : mapping of str to float
        The last value of each metric, after the end of the run.
    converged : bool or None
        Whether the solver converged, after a run that ended with a model.
    best_trial : int or None
        Index of the best trial of a sweep, after its selection.
    """

    run_id: str
    experiment: str
    job_type: str
    status: RunStatus
    process: str
    created: str
    started: str | None = None
    ended: str | None = None
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    children: tuple[str, ...] = ()
    error: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    converged: bool | None = None
    best_trial: int | None = None

    def write(self, folder: Path) -> None:
        """Replace the record in a run's folder."""
        publish_bytes(folder / RECORD_FILE, json.dumps(asdict(self), indent=2).encode())

    @classmethod
    def read(cls, folder: Path) -> "RunRecord":
        """Read the record in a run folder, as last written.

        Raises
        ------
        FileNotFoundError
            If the folder is not a run folder.
        RunStateError
            If the record is invalid. Fields added by a newer version are ignored.
        """
        return cls.parse((folder / RECORD_FILE).read_bytes(), source=str(folder / RECORD_FILE))

    @classmethod
    def parse(cls, text: bytes, *, source: str) -> "RunRecord":
        """Parse a record; error messages name it by `source`.

        Raises
        ------
        RunStateError
            If the record is invalid.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            known = {field.name: content[field.name] for field in fields(cls) if field.name in content}
            known |= {"status": RunStatus(known["status"]), "children": tuple(known.get("children", ()))}
            return cls(**known)
        except (ValueError, TypeError, KeyError) as error:
            raise RunStateError(f"{source} is not a valid record of a run: {error}") from error


def now() -> str:
    """Return the current time in the format of records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def require_experiment_name(experiment: str) -> None:
    """Refuse an invalid name of an experiment.

    Raises
    ------
    JobError
        If the name is invalid; the message describes valid names.
    """
    allowed = experiment.replace("-", "_").replace("_", "a")
    if not (allowed.isalnum() and allowed.isascii() and experiment[0].isalnum() and len(experiment) <= 255):
        raise JobError(
            "an experiment's name must be up to 255 letters, digits, - and _, "
            f"beginning with a letter or digit, not {experiment!r}"
        )
