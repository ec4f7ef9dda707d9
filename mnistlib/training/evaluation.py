"""Evaluation of a classifier: pure functions over labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Comparison of predicted with true labels.

    Attributes
    ----------
    confusion : ndarray of int64, shape (k, k)
        Confusion matrix: number of images by true class (row) and predicted class (column).
    """

    confusion: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of images."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return float(np.trace(self.confusion)) / self.count

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of correct ones among the predictions of each class; 0 for a class never predicted. Shape (k,)."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of correctly predicted images of each class; 0 for a class without images. Shape (k,)."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=1))


def evaluate(truth: NDArray[Any], answers: NDArray[Any], *, classes: int) -> Evaluation:
    """Count correct and wrong predictions.

    Parameters
    ----------
    truth, answers : ndarray of integers, shape (n,)
        True and predicted labels, from 0 to `classes` - 1.
    classes : int
        Number of classes.

    Returns
    -------
    Evaluation
        The confusion matrix and metrics derived from it.

    Examples
    --------
    >>> evaluate(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=2).confusion
    array([[1, 0],
           [1, 1]])
    """
    cells = truth.astype(np.int64) * classes + answers.astype(np.int64)
    return Evaluation(np.bincount(cells, minlength=classes * classes).reshape(classes, classes))


def worst_mistakes(truth: NDArray[Any], scores: NDArray[Any], *, labels: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return the wrongly classified images with the highest confidence.

    Parameters
    ----------
    truth : ndarray of integers, shape (n,)
        True labels.
    scores : ndarray of floats, shape (n, k)
        The classifier's score or probability of each label; a higher value means more confidence.
    labels : ndarray of integers, shape (k,)
        Label of each column of `scores`.
    count : int
        Maximum number of images to return.

    Returns
    -------
    ndarray of intp, shape (at most count,)
        Indices, sorted by the difference between the scores of the predicted and the true label, largest first.
    """
    answers = labels[scores.argmax(axis=1)]
    column = {label: position for position, label in enumerate(labels.tolist())}
    positions = np.array([column.get(label, -1) for label in truth.tolist()])
    # A label that was not in the training set has no score: its mistakes come first.
    of_truth = np.where(positions >= 0, scores[np.arange(len(truth)), positions], -np.inf)
    margin = np.where(answers == truth, -np.inf, scores.max(axis=1) - of_truth)
    order = np.argsort(-margin, kind="stable")[:count]
    return order[margin[order] > -np.inf]


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
