"""Options of a training: the data, the normalization and the solver."""

from dataclasses import dataclass

from mnistlib.datasets.catalog import NAMES
from mnistlib.options import choice, option, share, whole
from mnistlib.training.preprocessing import NORMALIZATIONS
from mnistlib.training.solvers import SOLVERS, SolverOptions

__all__ = ["TrainingOptions"]

_DATA_FOLDER = "holds a subfolder for each data set (default: $MNISTLIB_DATA)"


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(SolverOptions):
    """Options of a training, as a `TrainJob` has them.

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
    """

    dataset: str = option("mnist", f"{', '.join(NAMES)}, or a folder (default: mnist)")
    data_folder: str | None = option(None, _DATA_FOLDER, metavar="FOLDER")
    download: bool = option(True, "never fetch files", flag="--no-download")
    limit: int | None = option(None, "use at most N images of each split", metavar="N", check=whole(1))
    validation: float = option(0.0, "score training images held out, not the test", metavar="SHARE", check=share)
    normalization: str = option("unit", f"{', '.join(NORMALIZATIONS)} (default: unit)", check=choice(*NORMALIZATIONS))
    solver: str = option("auto", "auto, or one of scikit-learn's by name (default: auto)", check=choice(*SOLVERS))
