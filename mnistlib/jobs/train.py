"""Train one model."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mnistlib.datasets.catalog import NAMES
from mnistlib.errors import JobError
from mnistlib.jobs.job import Job, require_path, require_type
from mnistlib.options import choice, option, share, whole
from mnistlib.training.preprocessing import NORMALIZATIONS
from mnistlib.training.solvers import SOLVERS, SolverOptions

_DATA_FOLDER = "holds a subfolder for each data set (default: $MNISTLIB_DATA)"


@dataclass(frozen=True, kw_only=True)
class TrainJob(Job, SolverOptions):
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
    solver : str
        ``auto``, or one of scikit-learn's by name; ``liblinear`` fits one class against the rest.
    regularization, max_iter, tol, seed
        As `SolverOptions` has them.

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

    dataset: str = option("mnist", f"{', '.join(NAMES)}, or a folder (default: mnist)")
    data_folder: str | None = option(None, _DATA_FOLDER, metavar="FOLDER")
    download: bool = option(True, "never fetch files", flag="--no-download")
    limit: int | None = option(None, "use at most N images of each split", metavar="N", check=whole(1))
    validation: float = option(0.0, "score training images held out, not the test", metavar="SHARE", check=share)
    normalization: str = option("unit", f"{', '.join(NORMALIZATIONS)} (default: unit)", check=choice(*NORMALIZATIONS))
    solver: str = option("auto", "auto, or one of scikit-learn's by name (default: auto)", check=choice(*SOLVERS))

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


def _is_folder(dataset: Any) -> bool:
    # Unlike Path.is_dir, os.path.isdir says no to a name that is too long or holds a null.
    return isinstance(dataset, str) and os.path.isdir(dataset)  # noqa: PTH112
