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
        As `mnistlib.training.options.SolverOptions` has them.

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
    title: ClassVar[str] = "training run"

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

    @property
    def training(self) -> TrainingOptions:
        """The options of the training: those of the job itself."""
        return self

    def with_data(self, folder: Path) -> Self:
        """Return the job for a machine where its data set was brought into a folder."""
        return replace(self, data_folder=str(folder)) if self.dataset in NAMES else replace(self, dataset=str(folder))

    def content_elsewhere(self) -> dict[str, Any]:
        """Return the content of the job without the data folder of this machine."""
        return super().content_elsewhere() | {"data_folder": None}

    def execute(self, context: RunContext) -> Outcome:
        """Load the data, train, and keep the model; see :meth:`Job.execute`."""
        dataset = load_for(self, context)
        model = train(dataset, normalization=self.normalization, solver=self.solver, options=self, context=context)
        return keep(model, self, dataset, context)


def load_for(job: TrainingOptions, context: RunContext) -> Dataset:
    """Load the data set of a training; for validation, with held-out training images in place of the test images."""
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
    # Unlike Path.is_dir, os.path.isdir says no to a name that is too long or holds a null.
    return isinstance(dataset, str) and os.path.isdir(dataset)  # noqa: PTH112
