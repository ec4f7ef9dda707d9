"""The same job with several values of the regularization, of which the best is found."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar, Self, TypeVar

from mnistlib.errors import JobError
from mnistlib.jobs.job import Job, require_type
from mnistlib.jobs.train import TrainJob
from mnistlib.options import choice, option, positive

Child = TypeVar("Child", bound=Hashable)

#: Share of the training images that a sweep holds back where its base job names none.
VALIDATION = 0.2


@dataclass(frozen=True)
class SweepJob(Job):
    """Train one job with several values of the regularization.

    Each value makes a run of its own, a trial. The best is chosen by a metric on training images that were held back
    (``base.validation``, by default a fifth of them); the test images are scored once, with the best model.

    Attributes
    ----------
    base : TrainJob
        The job that all trials share, but for the regularization.
    regularization : sequence of float
        The values of lambda, each above 0, none twice; kept as a tuple. C is 1 / lambda.
    primary_metric : str
        The metric that trials are compared by.
    goal : str
        ``maximize`` or ``minimize``.

    Raises
    ------
    JobError
        If a value is not allowed; the message says which are.

    Examples
    --------
    >>> import mnistlib
    >>> sweep = mnistlib.SweepJob(base=mnistlib.TrainJob(dataset="digits"), regularization=[0.1, 1.0])
    >>> [child.regularization for child in sweep.children()]
    [0.1, 1.0]
    """

    type: ClassVar[str] = "sweep"

    base: TrainJob
    _: KW_ONLY
    regularization: Sequence[float]
    primary_metric: str = option("accuracy", "the metric to choose by (default: accuracy)", metavar="METRIC")
    goal: str = option("maximize", "maximize or minimize (default: maximize)", check=choice("maximize", "minimize"))

    def __post_init__(self) -> None:
        super().__post_init__()
        require_type(self, "base", TrainJob)
        values: Any = self.regularization
        if not isinstance(values, list | tuple) or not values:
            raise JobError(f"regularization must be a list of numbers above 0, not {self.regularization!r}")
        object.__setattr__(self, "regularization", tuple(self.regularization))
        for value in self.regularization:
            positive("each value of regularization", value)
        if len(set(self.regularization)) < len(self.regularization):
            raise JobError(f"regularization has a value twice: {', '.join(f'{r:g}' for r in self.regularization)}")
        require_type(self, "primary_metric", str)

    def children(self) -> list[TrainJob]:
        """Return the job of each trial, in the order of `regularization`."""
        validation = self.base.validation or VALIDATION
        return [replace(self.base, regularization=value, validation=validation) for value in self.regularization]

    def best_of(self, values: Mapping[Child, float]) -> Child | None:
        """Return the key of the best value of the primary metric; the first of equals; None of none."""
        sign = 1 if self.goal == "maximize" else -1
        return max(values, key=lambda key: sign * values[key], default=None)

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Self:
        """Read a sweep from parsed JSON, its base job with it."""
        base = content.get("base")
        if isinstance(base, dict):
            content = content | {"base": TrainJob.from_content(base)}
        return super().from_content(content)
