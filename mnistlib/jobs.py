"""Jobs as data, JSON both ways, and the one path that every backend takes to run them."""

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

from mnistlib.artifacts import MODEL_FILE, ModelDescription, current_versions, pickle_classifier, save_model
from mnistlib.datasets import load_dataset
from mnistlib.errors import JobError
from mnistlib.preprocessing import NORMALIZATIONS
from mnistlib.runs import RunContext
from mnistlib.training import SOLVERS, SolverOptions, TrainedModel, train


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """Train one model.

    Attributes
    ----------
    dataset : str
        A name that :func:`mnistlib.load_dataset` knows, or a folder of IDX files.
    data_folder : str or None
        Folder with a subfolder for each named data set; by default ``MNISTLIB_DATA`` or the platform's.
    download : bool
        Whether a named data set may be fetched.
    limit : int or None
        Keep at most this many images of each split.
    normalization : str
        ``unit`` (pixels in [0, 1]), ``standard`` or ``none``.
    regularization : float
        The rate, above 0; C, scikit-learn's inverse strength, is 1 / rate.
    solver : str
        ``auto``, or one of scikit-learn's by name; ``liblinear`` fits one class against the rest.
    max_iter : int
        Iterations after which the solver gives up, at least 1.
    tol : float
        The solver's tolerance, above 0.
    seed : int
        For solvers that draw random numbers, from 0 to 2**32 - 1.

    Raises
    ------
    JobError
        If a value is not allowed; the message says which are.

    Examples
    --------
    >>> import mnistlib
    >>> job = mnistlib.TrainJob(dataset="digits", regularization=0.5)
    >>> mnistlib.TrainJob.from_json(job.to_json()) == job
    True
    """

    dataset: str = "mnist"
    data_folder: str | None = None
    download: bool = True
    limit: int | None = None
    normalization: str = "unit"
    regularization: float = 0.01
    solver: str = "auto"
    max_iter: int = 1000
    tol: float = 1e-4
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("dataset", "data_folder"):
            value = getattr(self, name)
            if isinstance(value, os.PathLike):
                object.__setattr__(self, name, os.fspath(value))
        _require_type(self, "dataset", str)
        if self.data_folder is not None:
            _require_type(self, "data_folder", str)
        _require_type(self, "download", bool)
        if self.limit is not None:
            _require_integer(self, "limit", 1, None)
        _require_choice(self, "normalization", NORMALIZATIONS)
        _require_positive(self, "regularization")
        _require_choice(self, "solver", tuple(SOLVERS))
        _require_integer(self, "max_iter", 1, None)
        _require_positive(self, "tol")
        _require_integer(self, "seed", 0, 2**32 - 1)

    def to_json(self) -> str:
        """Return the job as JSON text."""
        return json.dumps({"type": "train", **asdict(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> "TrainJob":
        """Read a job back from JSON text.

        Raises
        ------
        JobError
            If it is not a JSON object, has a key that is unknown (the message lists the known ones), or a value that
            is not allowed.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise JobError(f"a job must be JSON: {error}") from error
        if not isinstance(content, dict) or content.pop("type", "train") != "train":
            raise JobError('a training job must be a JSON object whose "type" is "train"')
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(content) - set(known))
        if unknown:
            raise JobError(f"unknown keys in a training job: {', '.join(unknown)}. The known ones: {', '.join(known)}")
        return cls(**content)


def execute(job: TrainJob, context: RunContext) -> TrainedModel:
    """Run a job: the same code on a laptop and on a cluster's node.

    Parameters
    ----------
    job : TrainJob
        What to do.
    context : RunContext
        Where to write and whom to tell.

    Returns
    -------
    TrainedModel
        What was trained; it is also among the run's outputs.
    """
    dataset = load_dataset(job.dataset, limit=job.limit, data_folder=job.data_folder, download=job.download)
    context.log(f"loaded {dataset!r}")
    options = SolverOptions(job.regularization, job.max_iter, job.tol, job.seed)
    model = train(dataset, normalization=job.normalization, solver=job.solver, options=options, context=context)
    pickled = pickle_classifier(model.classifier)
    description = ModelDescription(
        dataset=dataset.name,
        digests=dataset.digests,
        normalization=job.normalization,
        input_shape=dataset.image_shape,
        classes=dataset.classes,
        metrics=context.metrics,
        converged=model.converged,
        versions=current_versions(),
        sha256=hashlib.sha256(pickled).hexdigest(),
    )
    save_model(context.output_path(MODEL_FILE).parent, pickled, description)
    return model


def _require_type(job: TrainJob, name: str, kind: type) -> None:
    value: Any = getattr(job, name)
    if not isinstance(value, kind):
        raise JobError(f"{name} must be of type {kind.__name__}, not {value!r}")


def _require_choice(job: TrainJob, name: str, choices: tuple[str, ...]) -> None:
    value: Any = getattr(job, name)
    if value not in choices:
        raise JobError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _require_integer(job: TrainJob, name: str, least: int, most: int | None) -> None:
    value: Any = getattr(job, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise JobError(f"{name} must be a whole number, at least {least}{upper}, not {value!r}")


def _require_positive(job: TrainJob, name: str) -> None:
    value: Any = getattr(job, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        raise JobError(f"{name} must be a finite number above 0, not {value!r}")
