"""Result of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mnistlib.runs.context import OUTPUTS
from mnistlib.runs.status import RunStatus

#: The saved classifier, among the files of a run.
MODEL_OUTPUT = f"{OUTPUTS}/sklearn_mnist_model.pkl"


@dataclass(frozen=True)
class RunResult:
    """Result of a completed run.

    Attributes
    ----------
    run_id : str
        Id of the run.
    experiment : str
        Experiment of the run.
    status : RunStatus
        Status of the run.
    path : Path
        Folder of the run's files, on this machine.
    metrics : mapping of str to float
        The last value of each metric; includes ``accuracy`` if a model was trained.
    converged : bool or None
        Whether the solver reached its tolerance within its iterations; None for a job without a solver.
    """

    run_id: str
    experiment: str
    status: RunStatus
    path: Path
    metrics: Mapping[str, float]
    converged: bool | None

    @property
    def model_path(self) -> Path:
        """Path of the saved classifier, a pickle of a plain scikit-learn estimator."""
        return self.path / MODEL_OUTPUT
