"""Available facts about a run of any status, and reasons for missing facts."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.datasets import Dataset, load_dataset
from mnistlib.errors import DataError, MnistlibError
from mnistlib.jobs import Job, Sweep, job_from_json
from mnistlib.models.artifact import DESCRIPTION_FILE, MODEL_FILE, ModelDescription, SavedModel, load_model
from mnistlib.runs import Metrics, Run, RunRecord, RunStatus
from mnistlib.runs.context import OUTPUTS
from mnistlib.runs.store import JOB_FILE
from mnistlib.training.evaluation import Evaluation, evaluate, worst_mistakes
from mnistlib.training.options import TrainingOptions

#: Maximum number of mistakes in a report.
MISTAKES = 30


@dataclass(frozen=True, eq=False)
class Mistakes:
    """Wrongly labelled images, the most confident mistakes first."""

    images: NDArray[np.uint8]  # shape (n, rows, columns)
    truth: NDArray[Any]  # true labels, integers, shape (n,)
    answers: NDArray[Any]  # labels of the model, integers, shape (n,)
    sureness: NDArray[Any]  # the model's probability of its answer, floats, shape (n,)


@dataclass(frozen=True, eq=False)
class Judgement:
    """Evaluation of a run's model."""

    evaluation: Evaluation
    mistakes: Mistakes  # the worst ones
    images: str  # name of the evaluated images: "test" or "held-out training"


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of each class, in the shape of an image.

    A weight is positive where ink is evidence for the class, negative where it is evidence against it.
    """

    values: NDArray[np.float64]  # shape (k, rows, columns)
    classes: tuple[str, ...]  # class of each set of weights


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """Facts about a run, read from it and from its model."""

    run: Run
    status: RunStatus  # when it was read
    metrics: Metrics  # all values
    log: str
    record: RunRecord
    job: Job | None = None  # None if the job file is missing
    trials: Sequence["Findings"] = ()  # of a sweep, in their order
    best: int | None = None  # index of the best trial
    description: ModelDescription | None = None  # of its model
    classes: tuple[str, ...] = ()  # names of the labels
    weights: Weights | None = None  # of its model, if linear
    judgement: Judgement | None = None  # of its model, if the data are available
    missing: tuple[str, ...] = ()  # reasons for parts that are not shown

    @property
    def trained(self) -> TrainingOptions | None:
        """Training options of the model: from the run's job, or from the best trial of a sweep."""
        if self.best is not None:
            return self.trials[self.best].trained
        return None if self.job is None or self.sweep else self.job.training

    @property
    def sweep(self) -> Sweep | None:
        """The run's job, if it is a sweep."""
        return None if self.job is None else self.job.sweep

    @property
    def judged_on(self) -> str:
        """Name of the images of its accuracy, from the job alone, since the data may be missing."""
        held_out = self.trained is not None and self.trained.validation and not self.sweep
        return "held-out training" if held_out else "test"


def find_out(run: Run, *, data_folder: str | os.PathLike[str] | None = None) -> Findings:
    """Collect the available facts about a run of any backend and status; `data_folder` is that of its data set."""
    with TemporaryDirectory() as folder:
        findings = _read(run, Path(folder))
        findings = replace(findings, trials=[_of_trial(trial) for trial in run.children()])
        best = run.best_trial
        # The trials of a sweep that was downloaded from a cluster are not on this machine.
        findings = replace(findings, best=best if best is not None and best < len(findings.trials) else None)
        return _examine(findings, Path(folder), data_folder)


def _read(run: Run, folder: Path) -> Findings:
    """Read the facts that every run has, and copy its small files."""
    wanted = (JOB_FILE, f"{OUTPUTS}/{MODEL_FILE}", f"{OUTPUTS}/{DESCRIPTION_FILE}")
    status = run.status  # read first, so that all other facts are at least as recent
    run.download(folder, [name for name in run.files() if name in wanted])
    return Findings(
        run=run,
        status=status,
        metrics=run.metrics(),
        log=run.logs(),
        record=run.record,
        job=job_from_json((folder / JOB_FILE).read_bytes()) if (folder / JOB_FILE).is_file() else None,
    )


def _of_trial(trial: Run) -> Findings:
    with TemporaryDirectory() as folder:
        return _read(trial, Path(folder))


def _examine(findings: Findings, folder: Path, data_folder: str | os.PathLike[str] | None) -> Findings:
    """Add the facts about the model, and its evaluation if the data are available."""
    job = findings.trained
    if job is None:
        return replace(findings, missing=(_why_no_training(findings),))
    if not (folder / OUTPUTS / MODEL_FILE).is_file():
        return replace(findings, missing=(f"There is no model: the run {_status_text(findings.status)}.",))
    try:
        model = load_model(folder / OUTPUTS)
    except (MnistlibError, OSError) as error:
        return replace(findings, missing=(f"The model can't be shown: {error}",))
    findings = replace(findings, description=model.description, weights=_weights(model))
    if model.description is not None:
        findings = replace(findings, classes=model.description.classes)
    try:
        dataset = _load(job, model, data_folder, validate=findings.sweep is None)
    except (MnistlibError, OSError) as error:
        return replace(
            findings, missing=(f"Confusion matrix and mistakes need the data, which are not available: {error}",)
        )
    return replace(findings, judgement=_judge(model, dataset, findings.judged_on))


def _load(
    job: TrainingOptions, model: SavedModel, data_folder: str | os.PathLike[str] | None, *, validate: bool
) -> Dataset:
    dataset = load_dataset(job.dataset, limit=job.limit, data_folder=data_folder or job.data_folder, download=False)
    if model.description and dict(model.description.digests) != dict(dataset.digests):
        raise DataError(f"the files of {dataset.name} have changed since the model was trained")
    # A trial is evaluated on held-out images; the test images are for the best model only.
    return dataset.holding_out(job.validation, seed=job.seed) if validate and job.validation else dataset


def _judge(model: SavedModel, dataset: Dataset, images: str) -> Judgement:
    test = dataset.test
    scores = model.predict_proba(test.images)
    labels = np.asarray(model.classifier.classes_)
    answers = labels[scores.argmax(axis=1)]
    worst = worst_mistakes(test.labels, scores, labels=labels, count=MISTAKES)
    mistakes = Mistakes(test.images[worst], test.labels[worst], answers[worst], scores[worst].max(axis=1))
    return Judgement(evaluate(test.labels, answers, classes=len(dataset.classes)), mistakes, images)


def _weights(model: SavedModel) -> Weights | None:
    """Return a linear model's weights; with two classes, it has one set, for the second class."""
    classifier, description = model.classifier, model.description
    if description is None:
        return None
    parts = getattr(classifier, "estimators_", [classifier])  # one-vs-rest has one part for each class
    values = np.concatenate([part.coef_ for part in parts])
    labels = np.asarray(classifier.classes_)[-len(values) :]
    return Weights(
        values.reshape(len(values), *description.input_shape),
        tuple(description.classes[label] for label in labels),
    )


def _why_no_training(findings: Findings) -> str:
    if findings.sweep:
        return f"There is no best model to show: the sweep {_status_text(findings.status)}."
    if findings.job is None:
        return "The run has no job file, so no model is shown."
    return f"A {findings.job.type} job has no model to show; its metrics and its log are below."


def _status_text(status: RunStatus) -> str:
    words = {
        RunStatus.FAILED: "failed before it had one",
        RunStatus.CANCELLED: "was cancelled before it had one",
        RunStatus.COMPLETED: "completed without one, or it was deleted since",
    }
    return words.get(status, f"is {status}; write the report again when it has ended")
