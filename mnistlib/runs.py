"""The two sides of a run: what its owner holds, and what the job inside sees.

A run folder is ``<runs>/<experiment>/<run id>/``::

    job.json        what was asked for
    metrics.json    what came out, in numbers
    logs/           what was said on the way
    outputs/        the model, and its description

While the job runs, the folder has a hidden name; it gets its own when everything in it is written. A kill at any
instant therefore never leaves a folder that looks like a run and is not a whole one.
"""

import json
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from mnistlib.errors import RunNotFoundError
from mnistlib.files import publish_bytes

#: Folder for runs where none is named.
RUNS_VARIABLE = "MNISTLIB_RUNS"

JOB_FILE = "job.json"
METRICS_FILE = "metrics.json"
LOG_FILE = "logs/run.log"
OUTPUTS = "outputs"

_log = logging.getLogger("mnistlib")


class RunStatus(StrEnum):
    """What has become of a run."""

    COMPLETED = "completed"


@dataclass(frozen=True)
class RunResult:
    """A run that has completed.

    Attributes
    ----------
    run_id : str
        Its id, unique in the runs folder.
    experiment : str
        The experiment it belongs to.
    status : RunStatus
        What has become of it.
    path : Path
        Its folder.
    metrics : mapping of str to float
        The last value of each metric, ``accuracy`` on the test images among them.
    converged : bool
        Whether the solver reached its tolerance before its last iteration.
    """

    run_id: str
    experiment: str
    status: RunStatus
    path: Path
    metrics: Mapping[str, float]
    converged: bool

    @property
    def model_path(self) -> Path:
        """The saved classifier: a pickle of a plain scikit-learn estimator."""
        return self.path / OUTPUTS / "sklearn_mnist_model.pkl"


class RunContext:
    """The job's side of a run: where it writes, and whom it tells.

    Parameters
    ----------
    folder : Path
        Where the run's files go. It exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._metrics: dict[str, float] = {}
        (folder / LOG_FILE).parent.mkdir(exist_ok=True)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The last value of each metric so far."""
        return dict(self._metrics)

    def log_metric(self, name: str, value: float) -> None:
        """Record a number under a name; a later one replaces it."""
        self._metrics[name] = float(value)
        publish_bytes(self._folder / METRICS_FILE, json.dumps(self._metrics, indent=2).encode())

    def log(self, message: str) -> None:
        """Say something, to the run's log and to whoever listens."""
        _log.info(message)
        with (self._folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {message}\n")

    def output_path(self, name: str) -> Path:
        """Return where to write an output, its folder made."""
        path = self._folder / OUTPUTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def default_runs_folder() -> Path:
    """Return the folder for runs where none is named: ``MNISTLIB_RUNS``, else ``runs`` below the current one."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs").expanduser()


def new_run_id() -> str:
    """Return an id that sorts by time and that no other process makes at the same moment."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def find_run(run: str | os.PathLike[str], *, runs_folder: Path | None = None) -> Path:
    """Return the folder of a run.

    Parameters
    ----------
    run : str or PathLike
        Its id, or the folder itself.
    runs_folder : Path, optional
        Where to look for the id. Default: :func:`default_runs_folder`.

    Raises
    ------
    RunNotFoundError
        If there is no such run; the message says where it was looked for.
    """
    if (Path(run) / JOB_FILE).is_file():
        return Path(run)
    parent = runs_folder or default_runs_folder()
    name = os.fspath(run)
    if name == Path(name).name:
        for folder in parent.glob(f"*/{_literal(name)}"):
            if (folder / JOB_FILE).is_file():
                return folder
    raise RunNotFoundError(
        f"no run {name!r} in {parent}: expected the id of a run there, or the path of a run's folder. "
        f"Name another place with --runs or {RUNS_VARIABLE}"
    )


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return what a run has recorded."""
    metrics: dict[str, Any] = json.loads((folder / METRICS_FILE).read_bytes())
    return metrics


def _literal(name: str) -> str:
    import glob

    return glob.escape(name)
