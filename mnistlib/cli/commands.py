"""Commands for data and models in files and runs: evaluate, predict, fetch, info, show, report."""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnistlib.cli.options import backend_of
from mnistlib.cli.output import Answer, print_answer
from mnistlib.datasets import CATALOG, DIGITS, Dataset, fetch_dataset, load_dataset
from mnistlib.errors import DataError, DatasetNotFoundError, IdxError, RunNotFoundError
from mnistlib.idx import read_idx, read_idx_header
from mnistlib.jobs.runner import read_job
from mnistlib.models.artifact import SavedModel, load_model
from mnistlib.plots import draw_text, save_png
from mnistlib.report import write_report
from mnistlib.runs import Run
from mnistlib.runs.context import OUTPUTS
from mnistlib.training.evaluation import Evaluation, worst_mistakes
from mnistlib.training.evaluation import evaluate as evaluate_labels


def evaluate(options: argparse.Namespace) -> Answer:
    """Evaluate a run's model on the test images of its data set, also for a run with held-out training images."""
    model, dataset = _model_and_dataset(backend_of(options).attach(options.run), options)
    answers = model.predict(dataset.test.images)
    evaluation = evaluate_labels(dataset.test.labels, answers, classes=len(dataset.classes))
    content = {
        "images": "test",
        "accuracy": evaluation.accuracy,
        "count": evaluation.count,
        "classes": list(dataset.classes),
        "confusion": evaluation.confusion.tolist(),
        "precision": evaluation.precision.tolist(),
        "recall": evaluation.recall.tolist(),
    }
    return Answer(content, _evaluation_lines(evaluation, dataset.classes))


def predict(options: argparse.Namespace) -> Answer:
    """Predict the label of each image in a file."""
    path = Path(options.model)
    if path.is_file():
        model = load_model(path, trust=options.trust)
    else:
        model = load_model(backend_of(options).attach(options.model).local_folder() / OUTPUTS, trust=options.trust)
    try:
        labels = model.predict(read_idx(options.file)).tolist()
    except DataError as error:
        raise DataError(f"{options.file}: {error}") from error
    return Answer({"labels": labels}, map(str, labels))


def fetch(options: argparse.Namespace) -> Answer:
    """Download a data set and return the paths of its files."""
    fetched = fetch_dataset(options.dataset, data_folder=options.data_folder, force=options.force)
    files = {role: str(path) for role, path in fetched.items()}
    return Answer({"files": files}, files.values())


def info(options: argparse.Namespace) -> None:
    """Print the headers of IDX files."""
    headers, failures = {}, []
    for file in options.files:
        try:
            headers[file] = read_idx_header(file)
        except (IdxError, OSError) as error:
            failures.append(error)
    content = {
        file: {"dtype": header.dtype.name, "shape": header.shape, "nbytes": header.nbytes}
        for file, header in headers.items()
    }
    lines = [
        f"{file}: {header.dtype.name}, {' x '.join(map(str, header.shape)) or 'one element'}, "
        f"{header.nbytes:,} bytes of data"
        for file, header in headers.items()
    ]
    print_answer(Answer(content, lines), options)
    # The last failure is raised as the command's error.
    for failure in failures[:-1]:
        print(f"mnistlib: error: {failure}", file=sys.stderr)
    if failures:
        raise failures[-1]


def show(options: argparse.Namespace) -> None:
    """Draw sample images, or a run's worst mistakes."""
    images, captions = _pictures(options)
    if options.output:
        save_png(options.output, images, captions)
        print(options.output)
    else:
        print(draw_text(images, captions, width=shutil.get_terminal_size().columns), end="")


def _pictures(options: argparse.Namespace) -> tuple[NDArray[np.uint8], list[str]]:
    if Path(options.source).is_file():
        images = read_idx(options.source)
        if images.dtype != np.uint8 or images.ndim != 3:
            raise DataError(f"cannot draw {options.source}: expected uint8 images, found {images.dtype} {images.shape}")
        return images[: options.count], [f"#{index}" for index in range(min(options.count, len(images)))]
    try:
        run = backend_of(options).attach(options.source)
    except RunNotFoundError as error:
        return _samples(options, error)
    return _mistakes(run, options)


def _samples(options: argparse.Namespace, no_run: RunNotFoundError) -> tuple[NDArray[np.uint8], list[str]]:
    known = options.source == DIGITS or options.source in CATALOG
    if not known and not Path(options.source).is_dir():
        raise DatasetNotFoundError(f"{options.source!r} is not a data set, a file or a run: {no_run}")
    split = load_dataset(options.source, data_folder=options.data_folder).test.head(options.count)
    return split.images, [str(label) for label in split.labels]


def _mistakes(run: Run, options: argparse.Namespace) -> tuple[NDArray[np.uint8], list[str]]:
    model, dataset = _model_and_dataset(run, options)
    scores = model.predict_proba(dataset.test.images)
    labels = np.asarray(model.classifier.classes_)
    wrong = worst_mistakes(dataset.test.labels, scores, labels=labels, count=options.count)
    answers = labels[scores[wrong].argmax(axis=1)]
    captions = [
        f"{dataset.classes[t]} as {dataset.classes[a]}"
        for t, a in zip(dataset.test.labels[wrong], answers, strict=True)
    ]
    return dataset.test.images[wrong], captions


def _model_and_dataset(run: Run, options: argparse.Namespace) -> tuple[SavedModel, Dataset]:
    folder = run.local_folder()
    job = read_job(folder)
    training = job.training
    if training is None:
        raise DataError(f"cannot evaluate run {run.id}: it is a {job.type} job, which trains no model")
    model = load_model(folder / OUTPUTS)
    dataset = load_dataset(
        training.dataset, limit=training.limit, data_folder=options.data_folder or training.data_folder
    )
    if model.description and dict(model.description.digests) != dict(dataset.digests):
        raise DataError(f"the files of {dataset.name} have changed since run {run.id} was trained on them")
    return model, dataset


def _evaluation_lines(evaluation: Evaluation, classes: tuple[str, ...]) -> list[str]:
    name_width = max(len("class"), *map(len, classes))
    cell = max(5, len(str(evaluation.confusion.max())) + 1)
    lines = [
        f"accuracy {evaluation.accuracy:.4f} on {evaluation.count} test images",
        "",
        "rows: true class, columns: predicted class",
        " " * name_width + "".join(f"{name[: cell - 1]:>{cell}}" for name in classes),
    ]
    for name, row in zip(classes, evaluation.confusion, strict=True):
        lines.append(f"{name:<{name_width}}" + "".join(f"{count:>{cell}}" for count in row))
    lines += ["", f"{'class':<{name_width}}  precision  recall"]
    for name, precision, recall in zip(classes, evaluation.precision, evaluation.recall, strict=True):
        lines.append(f"{name:<{name_width}}  {precision:>9.4f}  {recall:>6.4f}")
    return lines


def report(options: argparse.Namespace) -> Answer:
    """Write a report of a run as one HTML file, and print its path."""
    run = backend_of(options).attach(options.run)
    path = str(write_report(run, options.output or f"{run.id}.html", data_folder=options.data_folder))
    return Answer({"path": path}, [path])
