"""Options of a training and of a sweep: fields of the jobs, and therefore options of the command line.

This module does not import NumPy, so that the command line is parsed fast.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from mnistlib.datasets.catalog import NAMES
from mnistlib.environment import DATA
from mnistlib.options import choice, option, positive, share, whole

__all__ = ["NORMALIZATIONS", "OWN_SOLVER", "SCIKIT_LEARN_SOLVERS", "SolverOptions", "SweepOptions", "TrainingOptions"]

#: Names of the normalizations of `mnistlib.training.preprocessing.fit_normalization`.
NORMALIZATIONS = ("unit", "standard", "none")

#: Name of the package's own solver.
OWN_SOLVER = "auto"

#: Names of scikit-learn's solvers.
SCIKIT_LEARN_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga", "liblinear")


@dataclass(frozen=True, kw_only=True)
class SolverOptions:
    """Options of a solver, also of a `TrainJob` and of the command line.

    Attributes
    ----------
    regularization : float
        Lambda, above 0; scikit-learn's C is 1 / lambda.
    max_iter : int
        Maximum number of iterations, at least 1.
    tol : float
        Convergence tolerance, above 0.
    seed : int
        Seed of random draws, from 0 to 2**32 - 1.
    """

    regularization: float = option(0.01, "lambda, equal to 1 / C (default: 0.01)", metavar="LAMBDA", check=positive)
    max_iter: int = option(1000, "maximum number of iterations (default: 1000)", metavar="N", check=whole(1))
    tol: float = option(1e-4, "convergence tolerance of the solver (default: 0.0001)", check=positive)
    seed: int = option(42, "seed of random draws (default: 42)", check=whole(0, 2**32 - 1))


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(SolverOptions):
    """Options of a training: fields of a `mnistlib.TrainJob`, described in its docstring."""

    dataset: str = option("mnist", f"data set: {', '.join(NAMES)}, or a folder (default: mnist)")
    data_folder: str | None = option(
        None, f"folder with a subfolder for each data set (default: ${DATA.name})", metavar="FOLDER"
    )
    download: bool = option(True, "do not download missing files", flag="--no-download")
    limit: int | None = option(None, "use at most N images of each split", metavar="N", check=whole(1))
    validation: float = option(0.0, "hold out this share of training images for scoring", metavar="SHARE", check=share)
    normalization: str = option("unit", f"{', '.join(NORMALIZATIONS)} (default: unit)", check=choice(*NORMALIZATIONS))
    solver: str = option(
        OWN_SOLVER,
        f"auto, {', '.join(SCIKIT_LEARN_SOLVERS)} (default: auto)",
        check=choice(OWN_SOLVER, *SCIKIT_LEARN_SOLVERS),
    )


@dataclass(frozen=True)
class SweepOptions:
    """Options of a sweep: fields of a `mnistlib.SweepJob`, described in its docstring."""

    base: TrainingOptions
    _: KW_ONLY
    regularization: Sequence[float]
    primary_metric: str = option("accuracy", "metric that selects the best trial (default: accuracy)", metavar="METRIC")
    goal: str = option("maximize", "maximize or minimize (default: maximize)", check=choice("maximize", "minimize"))
