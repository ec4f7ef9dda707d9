"""Model of a service: rows in, labels and probabilities out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import ModelError
from mnistlib.models.artifact import SavedModel
from mnistlib.pictures import WHITE

_BLOCK_ROWS = 128  # images that are converted to floating point at a time: as many as fit a processor's cache
_MNIST_PIXELS = 784


@dataclass(frozen=True)
class Scores:
    """Labels and probabilities of rows."""

    labels: NDArray[Any]  # shape (n,)
    probabilities: NDArray[np.float64] | None  # of each class, shape (n, k), if requested


class ServedModel:
    """A classifier with its input size, labels and weights; `run_id` is the id of the run that made it.

    Raise ModelError if the classifier has no ``n_features_in_``.
    """

    def __init__(self, saved: SavedModel, name: str, *, run_id: str | None = None) -> None:
        self.name = name  # for messages
        self.run_id = run_id
        self.description = saved.description
        self._classifier = saved.classifier
        self.labels: list[Any] = np.asarray(getattr(saved.classifier, "classes_", [])).tolist()
        if not hasattr(saved.classifier, "n_features_in_"):
            raise ModelError(f"{name} is a {type(saved.classifier).__name__} without n_features_in_: fit it again")
        self.width = int(saved.classifier.n_features_in_)  # number of numbers in a row
        self.shape = _shape_of(saved, self.width)  # rows and columns; None if it is not known to take images
        names = saved.description.classes if saved.description else None
        # The model may have been trained on fewer classes than its data set has names.
        self.classes = [names[label] if names else str(label) for label in self.labels]  # names of the labels
        self._linear = _Linear.of(saved.classifier)
        self.quick = self._linear is not None  # whether a few rows take less time than switching to another thread

    @property
    def has_probabilities(self) -> bool:
        """Whether the classifier predicts probabilities."""
        return hasattr(self._classifier, "predict_proba")

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Weights minus their mean over classes, shape (k, width); None unless a multi-class LogisticRegression."""
        return None if self._linear is None else self._linear.weights

    @property
    def intercepts(self) -> NDArray[np.float64] | None:
        """Intercepts minus their mean over classes, shape (k,); None like the weights."""
        return None if self._linear is None else self._linear.intercept - self._linear.intercept.mean()

    def score(self, rows: NDArray[Any], *, proba: bool) -> Scores:
        """Return the labels of rows, shape (n, width), and optionally probabilities.

        Rows of float64 are features of the model; rows of uint8 are pixels from 0 to 255.
        """
        blocks = [self._score(_floats(rows[at : at + _BLOCK_ROWS]), proba=proba) for at in _starts(rows)]
        if len(blocks) == 1:
            return blocks[0]
        probabilities = [block.probabilities for block in blocks if block.probabilities is not None]
        return Scores(
            np.concatenate([block.labels for block in blocks]) if blocks else np.asarray(self.labels)[:0],
            np.concatenate(probabilities) if probabilities else np.empty((0, len(self.labels))) if proba else None,
        )

    def _score(self, rows: NDArray[np.float64], *, proba: bool) -> Scores:
        labels = np.asarray(self._classifier.predict(rows)) if self._linear is None else self._linear.predict(rows)
        return Scores(labels, np.asarray(self._classifier.predict_proba(rows)) if proba else None)


@dataclass(frozen=True, eq=False)
class _Linear:
    """scikit-learn's multinomial ``predict`` without its input checks, which take ten times as long."""

    columns: NDArray[np.float64]
    intercept: NDArray[np.float64]
    classes: NDArray[Any]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, classifier: Any) -> "_Linear | None":
        from sklearn.linear_model import LogisticRegression

        if type(classifier) is not LogisticRegression or classifier.coef_.shape[0] != len(classifier.classes_):
            return None
        if not isinstance(classifier.coef_, np.ndarray):  # sparsify() was called
            return None
        coefficients = np.asarray(classifier.coef_, np.float64)
        return cls(
            np.ascontiguousarray(coefficients.T),
            np.asarray(classifier.intercept_, np.float64),
            np.asarray(classifier.classes_),
            np.ascontiguousarray(coefficients - coefficients.mean(axis=0)),
        )

    def predict(self, rows: NDArray[np.float64]) -> NDArray[Any]:
        labels: NDArray[Any] = self.classes[(rows @ self.columns + self.intercept).argmax(axis=1)]
        return labels


def _shape_of(saved: SavedModel, width: int) -> tuple[int, int] | None:
    if saved.description:
        return saved.description.input_shape
    return (28, 28) if width == _MNIST_PIXELS else None


def _floats(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Convert rows as :class:`~mnistlib.models.artifact.SavedModel` does, so that both predict the same labels."""
    if rows.dtype == np.uint8:
        rows = np.divide(rows, np.float32(WHITE), dtype=np.float32)
    return np.asarray(rows, np.float64)


def _starts(rows: NDArray[Any]) -> range:
    return range(0, len(rows), _BLOCK_ROWS)
