"""What is known of a run, as one small JSON file that is replaced whole at every change.

Only the process that runs a job writes its record. Others read it, and tell by a lock that the writer holds for as
long as it lives whether what it last wrote is still true: a run whose process is gone has failed, whatever it says.
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
    """What is known of a run.

    Attributes
    ----------
    run_id, experiment : str
        Who it is.
    job_type : str
        The ``type`` of its job.
    status : RunStatus
        What has become of it.
    process : str
        Token of the process that runs it.
    created, started, ended : str or None
        When, in UTC, as ISO 8601.
    name : str or None
        What a person calls it.
    tags : mapping of str to str
        What a person notes about it.
    parent : str or None
        Id of the sweep that it belongs to.
    children : tuple of str
        Ids of the trials of a sweep, in their order.
    error : str or None
        Why it failed.
    metrics : mapping of str to float
        The last value of each metric, once it has ended.
    converged : bool or None
        Whether its solver converged, once it has ended with a model.
    best_trial : int or None
        Index of the best trial of a sweep, once it has been chosen.
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
        """Read the record in a run's folder, as it was last written.

        Raises
        ------
        FileNotFoundError
            If the folder is not a run's.
        RunStateError
            If the record can't be understood. What a newer version has added to it is passed over.
        """
        return cls.parse((folder / RECORD_FILE).read_bytes(), source=str(folder / RECORD_FILE))

    @classmethod
    def parse(cls, text: bytes, *, source: str) -> "RunRecord":
        """Return the record that `text` is, which `source` names in errors.

        Raises
        ------
        RunStateError
            If it can't be understood.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            known = {field.name: content[field.name] for field in fields(cls) if field.name in content}
            known |= {"status": RunStatus(known["status"]), "children": tuple(known.get("children", ()))}
            return cls(**known)
        except (ValueError, TypeError, KeyError) as error:
            raise RunStateError(f"{source} can't be read as the record of a run: {error}") from error


def now() -> str:
    """Return the time as records hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def require_experiment_name(experiment: str) -> None:
    """Refuse a name that no experiment may have.

    Raises
    ------
    JobError
        If it is none; the message says what a name must be.
    """
    allowed = experiment.replace("-", "_").replace("_", "a")
    if not (allowed.isalnum() and allowed.isascii() and experiment[0].isalnum() and len(experiment) <= 255):
        raise JobError(
            "an experiment's name must be up to 255 letters, digits, - and _, "
            f"beginning with a letter or digit, not {experiment!r}"
        )
