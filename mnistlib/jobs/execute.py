"""A job and a context in, an outcome out: the same code on a laptop and on a cluster's node."""

import hashlib
from dataclasses import dataclass

from mnistlib.datasets import Dataset, load_dataset
from mnistlib.errors import JobError
from mnistlib.jobs.job import Job
from mnistlib.jobs.process import run_script
from mnistlib.jobs.script import ScriptJob
from mnistlib.jobs.train import TrainJob
from mnistlib.models.artifact import MODEL_FILE, ModelDescription, current_versions, pickle_classifier, save_model
from mnistlib.runs import RunContext
from mnistlib.training.fit import TrainedModel, train


@dataclass(frozen=True)
class Outcome:
    """What a job that did not fail has come to.

    Attributes
    ----------
    converged : bool or None
        Whether its solver converged; None of a job that has none.
    cancelled : bool
        Whether it was cut short by a request to cancel.
    best_trial : int or None
        Index of the best trial of a sweep.
    """

    converged: bool | None = None
    cancelled: bool = False
    best_trial: int | None = None


def execute(job: Job, context: RunContext) -> Outcome:
    """Run a job.

    Parameters
    ----------
    job : TrainJob or ScriptJob
        What to do. A sweep is for a backend to spread; each of its trials comes here.
    context : RunContext
        Where to write and whom to tell.

    Returns
    -------
    Outcome
        What it came to; what it made is among the run's outputs.
    """
    if isinstance(job, TrainJob):
        dataset = load_for(job, context)
        model = train(dataset, normalization=job.normalization, solver=job.solver, options=job, context=context)
        return keep(model, job, dataset, context)
    if isinstance(job, ScriptJob):
        return Outcome(cancelled=not run_script(job, context))
    raise JobError(f"a {job.type} job can't be executed as one")


def load_for(job: TrainJob, context: RunContext) -> Dataset:
    """Load a job's data set; for validation, with held-out training images in place of the test images."""
    dataset = load_dataset(job.dataset, limit=job.limit, data_folder=job.data_folder, download=job.download)
    context.log(f"loaded {dataset!r}")
    if not job.validation:
        return dataset
    return dataset.holding_out(job.validation, seed=job.seed)


def keep(model: TrainedModel, job: TrainJob, dataset: Dataset, context: RunContext) -> Outcome:
    """Write a trained model and its description into the run's outputs."""
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
    return Outcome(model.converged, model.cancelled)
