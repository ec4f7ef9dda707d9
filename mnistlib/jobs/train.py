"""Train one model."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mnistlib.datasets.catalog import NAMES
from mnistlib.errors import JobError
from mnistlib.jobs.job import Job, require_choice, require_integer, require_path, require_positive, require_type
from mnistlib.training.preprocessing import NORMALIZATIONS
from mnistlib.training.solvers import SOLVERS


@dataclass(frozen=True, kw_only=True)
class TrainJob(Job):
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
    validation : float
        Share of the training images, from 0 to below 1, drawn with the seed, that is not trained on but scored
        instead of the test images: to choose between models without a look at the test.
    normalization : str
        ``unit`` (pixels in [0, 1]), ``standard`` or ``none``.
    regularization : float
        Lambda, above 0; scikit-learn's C is 1 / lambda.
    solver : str
        ``auto``, or one of scikit-learn's by name; ``liblinear`` fits one class against the rest.
    max_iter : int
        Iterations after which the solver gives up, at least 1.
    tol : float
        The solver's tolerance, above 0.
    seed : int
        For whatever is drawn at random, from 0 to 2**32 - 1.

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

    type: ClassVar[str] = "train"

    dataset: str = "mnist"
    data_folder: str | None = None
    download: bool = True
    limit: int | None = None
    validation: float = 0.0
    normalization: str = "unit"
    regularization: float = 0.01
    solver: str = "auto"
    max_iter: int = 1000
    tol: float = 1e-4
    seed: int = 42

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.dataset, os.PathLike) or (self.dataset not in NAMES and _is_folder(self.dataset)):
            # A path is a folder, whatever its name, also for a process that stands elsewhere.
            object.__setattr__(self, "dataset", str(Path(self.dataset).absolute()))
        require_path(self, "dataset")
        if not self.dataset:
            raise JobError("dataset must be a name or a folder, not empty")
        require_path(self, "data_folder", optional=True)
        require_type(self, "download", bool)
        if self.limit is not None:
            require_integer(self, "limit", 1)
        _require_share(self.validation)
        require_choice(self, "normalization", NORMALIZATIONS)
        require_positive("regularization", self.regularization)
        require_choice(self, "solver", tuple(SOLVERS))
        require_integer(self, "max_iter", 1)
        require_positive("tol", self.tol)
        require_integer(self, "seed", 0, 2**32 - 1)


def _is_folder(dataset: Any) -> bool:
    # Unlike Path.is_dir, os.path.isdir says no to a name that is too long or holds a null.
    return isinstance(dataset, str) and os.path.isdir(dataset)  # noqa: PTH112


def _require_share(value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise JobError(f"validation must be a number from 0 to below 1, not {value!r}")
