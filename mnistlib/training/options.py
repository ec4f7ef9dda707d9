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
    """Options of a training: fields of a `mnistlib.TrainJob`, whose docstring describes each."""

    dataset: str = option("mnist", f"{', '.join(NAMES)}, or a folder (default: mnist)")
    data_folder: str | None = option(None, _DATA_FOLDER, metavar="FOLDER")
    download: bool = option(True, "never fetch files", flag="--no-download")
    limit: int | None = option(None, "use at most N images of each split", metavar="N", check=whole(1))
    validation: float = option(0.0, "score training images held out, not the test", metavar="SHARE", check=share)
    normalization: str = option("unit", f"{', '.join(NORMALIZATIONS)} (default: unit)", check=choice(*NORMALIZATIONS))
    solver: str = option("auto", "auto, or one of scikit-learn's by name (default: auto)", check=choice(*SOLVERS))
