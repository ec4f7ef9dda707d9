"""Job that trains one model."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from mnistlib.datasets import Dataset, load_dataset
from mnistlib.datasets.catalog import NAMES
from mnistlib.errors import JobError
from mnistlib.jobs.job import Job, Outcome, require_path, require_type
from mnistlib.models.artifact import MODEL_FILE, ModelDescription, current_versions, pickle_classifier, save_model
from mnistlib.runs import RunContext
from mnistlib.training.fit import TrainedModel, train
from mnistlib.training.options import TrainingOptions


@dataclass(frozen=True, kw_only=True)
class TrainJob(Job, TrainingOptions):
    """Train one model.

    Attributes
    ----------
    dataset : str
        Name of a data set of :func:`mnistlib.load_dataset`, or a folder of IDX files.
    data_folder : str or None
        Folder with a subfolder for each named data set; by default ``MNISTLIB_DATA`` or the platform's data folder.
    download : bool
        Whether a named data set may be downloaded.
    limit : int or None
        Maximum number of images of each split.
    validation : float
        Share of the training images, at least 0 and below 1, to hold out. The held-out images are drawn with the seed
        and scored instead of the test images, to select a model without the test set.
    normalization : str
        ``unit`` (pixels in [0, 1]), ``standard`` or ``none``.
    solver : str
        ``auto``, or the name of a scikit-learn solver; ``liblinear`` fits each class against the rest.
    regularization, max_iter, tol, seed
        See `mnistlib.training.options.SolverOptions`.

    Raises
    ------
    JobError
        If a value is invalid; the message lists the allowed values.

    Examples
    --------
    >>> import mnistlib
    >>> job = mnistlib.TrainJob(dataset="digits", regularization=0.5)
    >>> mnistlib.TrainJob.from_json(job.to_json()) == job
    True
    """

    type: ClassVar[str] = "train"
    title: ClassVar[str] = "training run"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.dataset, os.PathLike) or (self.dataset not in NAMES and _is_folder(self.dataset)):
            # A path is always a folder, even if it looks like a name. Absolute, for processes in other folders.
            object.__setattr__(self, "dataset", str(Path(self.dataset).absolute()))
        require_path(self, "dataset")
        if not self.dataset:
            raise JobError("dataset must be a name or a folder, not empty")
        require_path(self, "data_folder", optional=True)
        require_type(self, "download", bool)

    @property
    def training(self) -> TrainingOptions:
        """Training options: the job itself."""
        return self

    def with_data(self, folder: Path) -> Self:
        """Return the job for a machine that has its data set in `folder`."""
        return replace(self, data_folder=str(folder)) if self.dataset in NAMES else replace(self, dataset=str(folder))

    def content_elsewhere(self) -> dict[str, Any]:
        """Return the content of the job without the local data folder."""
        return super().content_elsewhere() | {"data_folder": None}

    def execute(self, context: RunContext) -> Outcome:
        """Load the data, train, and save the model; see :meth:`Job.execute`."""
        dataset = load_for(self, context)
        model = train(dataset, normalization=self.normalization, solver=self.solver, options=self, context=context)
        return keep(model, self, dataset, context)


def load_for(job: TrainingOptions, context: RunContext) -> Dataset:
    """Load the data set for training. With validation, held-out training images replace the test images."""
    dataset = load_dataset(job.dataset, limit=job.limit, data_folder=job.data_folder, download=job.download)
    context.log(f"loaded {dataset!r}")
    if not job.validation:
        return dataset
    return dataset.holding_out(job.validation, seed=job.seed)


def keep(model: TrainedModel, job: TrainingOptions, dataset: Dataset, context: RunContext) -> Outcome:
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


def _is_folder(dataset: Any) -> bool:
    # Unlike Path.is_dir, os.path.isdir returns False for a name that is too long or contains a null byte.
    return isinstance(dataset, str) and os.path.isdir(dataset)  # noqa: PTH112
