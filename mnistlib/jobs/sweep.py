"""Job that trains one model for each value of the regularization and selects the best."""

import shutil
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from mnistlib.datasets import load_dataset
from mnistlib.errors import JobError, SweepFailedError
from mnistlib.jobs.job import Outcome, Sweep, Work, require_type
from mnistlib.jobs.sweeping import Spread, train_apart, train_together
from mnistlib.jobs.train import TrainJob
from mnistlib.models.artifact import load_model
from mnistlib.options import positive
from mnistlib.runs import RunContext, RunRecord, RunStatus
from mnistlib.runs.context import OUTPUTS
from mnistlib.training.fit import judge
from mnistlib.training.options import OWN_SOLVER, SweepOptions

Key = TypeVar("Key", bound=Hashable)

#: Share of the training images held out for validation, unless the base job sets one.
VALIDATION = 0.2


@dataclass(frozen=True)
class SweepJob(Sweep, SweepOptions):
    """Train one job with several values of the regularization.

    Each value has its own run, a trial. The best trial is selected by a metric on held-out training images
    (``base.validation``, by default a fifth of them). The test images are scored once, with the best model.

    Attributes
    ----------
    base : TrainJob
        Job shared by all trials, except for the regularization.
    regularization : sequence of float
        Values of lambda, each above 0, without duplicates; stored as a tuple. C is 1 / lambda.
    primary_metric : str
        Metric that selects the best trial.
    goal : str
        ``maximize`` or ``minimize``.

    Raises
    ------
    JobError
        If a value is invalid; the message lists the allowed values.

    Examples
    --------
    >>> import mnistlib
    >>> sweep = mnistlib.SweepJob(base=mnistlib.TrainJob(dataset="digits"), regularization=[0.1, 1.0])
    >>> [trial.regularization for trial in sweep.trials()]
    [0.1, 1.0]
    """

    type: ClassVar[str] = "sweep"
    title: ClassVar[str] = "sweep"
    parameter: ClassVar[str] = "regularization"

    base: TrainJob

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
            raise JobError(f"duplicate values of regularization: {', '.join(f'{r:g}' for r in self.regularization)}")
        require_type(self, "primary_metric", str)

    def trials(self) -> list[TrainJob]:
        """Return the job of each trial, in the order of `regularization`."""
        validation = self.base.validation or VALIDATION
        return [replace(self.base, regularization=value, validation=validation) for value in self.regularization]

    def children(self) -> list[TrainJob]:
        """Return the trials, under the method's name in version 0.1."""
        return self.trials()

    def best_of(self, values: Mapping[Key, float]) -> Key | None:
        """Return the key of the best value of the primary metric, the first if several are equal; None if empty."""
        sign = 1 if self.goal == "maximize" else -1
        return max(values, key=lambda key: sign * values[key], default=None)

    @property
    def training(self) -> TrainJob:
        """Training options shared by all trials, except for the regularization."""
        return self.base

    def with_data(self, folder: Path) -> Self:
        """Return the sweep for a machine that has its data set in `folder`."""
        return replace(self, base=self.base.with_data(folder))

    def content_elsewhere(self) -> dict[str, Any]:
        """Return the content of the sweep without the local data folder."""
        base = {key: value for key, value in self.base.content_elsewhere().items() if key != "type"}
        return super().content_elsewhere() | {"base": base}

    def work(self, trials: Sequence[Path]) -> Work:
        """Return the work of the sweep's run; see :meth:`Job.work`."""
        return partial(self._run, list(trials), Spread.active())

    def _run(self, folders: list[Path], spread: Spread, context: RunContext) -> Outcome:
        """Run the trials that have not completed yet, then select the best."""
        pending = [
            (folder, job)
            for folder, job in zip(folders, self.trials(), strict=True)
            if RunRecord.read(folder).status is RunStatus.QUEUED
        ]
        context.log(f"sweep of {len(folders)} trials, {len(folders) - len(pending)} of them completed before")
        if pending and self.base.solver == OWN_SOLVER:
            train_together(pending, context)
        elif pending:
            train_apart([folder for folder, _ in pending], spread)
        return Outcome(cancelled=True) if context.cancelled else self.choose(folders, context)

    def choose(self, folders: Sequence[Path], context: RunContext) -> Outcome:
        """Score the best model on the test images, and copy it to the sweep's outputs; see :meth:`Sweep.choose`."""
        records = {folder: RunRecord.read(folder) for folder in folders}
        completed = {folder: record for folder, record in records.items() if record.status is RunStatus.COMPLETED}
        metric = self.primary_metric
        values = {folder: record.metrics[metric] for folder, record in completed.items() if metric in record.metrics}
        best = self.best_of(values)
        if best is None:
            raise SweepFailedError(_no_best_reason(metric, list(records.values()), list(completed.values())))
        trial = context.best_trial = folders.index(best)
        context.log_metric("best_regularization", self.regularization[trial])
        context.log_metric(f"best_{metric}", values[best])
        base = self.base
        dataset = load_dataset(base.dataset, limit=base.limit, data_folder=base.data_folder, download=base.download)
        model = load_model(best / OUTPUTS)
        context.log_metric("accuracy", judge(model.classifier, dataset).accuracy)
        for file in (best / OUTPUTS).iterdir():
            shutil.copyfile(file, context.output_path(file.name))
        return Outcome(converged=records[best].converged)

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Self:
        """Read a sweep and its base job from parsed JSON."""
        base = content.get("base")
        if isinstance(base, dict):
            content = content | {"base": TrainJob.from_content(base)}
        return super().from_content(content)


def _no_best_reason(metric: str, records: list[RunRecord], completed: list[RunRecord]) -> str:
    if completed:
        known = sorted({name for record in completed for name in record.metrics})
        return f"no trial has the primary metric {metric!r}; logged metrics: {', '.join(known)}"
    return f"all {len(records)} trials failed; error of the first: {records[0].error}"
