"""How good a classifier's answers are: pure functions over labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a classifier answered, against the truth.

    Attributes
    ----------
    confusion : ndarray of int64, shape (k, k)
        How many images of the class of the row were taken for the class of the column.
    """

    confusion: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many images there were."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.trace(self.confusion)) / self.count

    @property
    def precision(self) -> NDArray[np.float64]:
        """For each class, the share of right answers among those that name it; 0 where none does. Shape (k,)."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """For each class, the share of its images that were recognised; 0 where it has none. Shape (k,)."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=1))


def evaluate(truth: NDArray[Any], answers: NDArray[Any], *, classes: int) -> Evaluation:
    """Count right and wrong answers.

    Parameters
    ----------
    truth, answers : ndarray of integers, shape (n,)
        Labels from 0 to `classes` - 1.
    classes : int
        How many classes there are.

    Returns
    -------
    Evaluation
        The confusion matrix and what follows from it.

    Examples
    --------
    >>> evaluate(np.array([0, 1, 1]), np.array([0, 1, 0]), classes=2).confusion
    array([[1, 0],
           [1, 1]])
    """
    cells = truth.astype(np.int64) * classes + answers.astype(np.int64)
    return Evaluation(np.bincount(cells, minlength=classes * classes).reshape(classes, classes))


def worst_mistakes(truth: NDArray[Any], scores: NDArray[Any], *, labels: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Return the images about which a classifier was wrong and most sure.

    Parameters
    ----------
    truth : ndarray of integers, shape (n,)
        The right labels.
    scores : ndarray of floats, shape (n, k)
        The classifier's score or probability of each label, the higher the surer.
    labels : ndarray of integers, shape (k,)
        What the columns of `scores` stand for.
    count : int
        How many to return at most.

    Returns
    -------
    ndarray of intp, shape (at most count,)
        Indices, the worst first: by how far the answer's score lies above the truth's.
    """
    answers = labels[scores.argmax(axis=1)]
    column = {label: position for position, label in enumerate(labels.tolist())}
    positions = np.array([column.get(label, -1) for label in truth.tolist()])
    # A label that the classifier has never seen can't have a score: no mistake is worse.
    of_truth = np.where(positions >= 0, scores[np.arange(len(truth)), positions], -np.inf)
    margin = np.where(answers == truth, -np.inf, scores.max(axis=1) - of_truth)
    order = np.argsort(-margin, kind="stable")[:count]
    return order[margin[order] > -np.inf]


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
