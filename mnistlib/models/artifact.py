"""Model file of a run, and the description of its origin; both are written atomically."""

import hashlib
import io
import json
import logging
import os
import pickle
import platform
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import DataError, ModelError
from mnistlib.files import publish_bytes
from mnistlib.pictures import WHITE

MODEL_FILE = "sklearn_mnist_model.pkl"
DESCRIPTION_FILE = "model.json"

_log = logging.getLogger("mnistlib")


@dataclass(frozen=True)
class ModelDescription:
    """Description of a saved model, stored in ``model.json`` beside it.

    Attributes
    ----------
    dataset : str
        Name of the training data set.
    digests : mapping of str to str
        SHA-256 of the raw bytes of each part of that data set.
    normalization : str
        Normalization of the features in training. The model itself always takes pixels in [0, 1].
    input_shape : tuple of int
        Rows and columns of the input images, which are flattened row by row.
    classes : tuple of str
        Names of the labels 0, 1, 2 …
    metrics : mapping of str to float
        Metrics of the training run.
    converged : bool
        Whether the solver reached its tolerance.
    versions : mapping of str to str
        Versions of Python, NumPy, scikit-learn and mnistlib in training.
    sha256 : str
        SHA-256 of the pickle, in hexadecimal.
    """

    dataset: str
    digests: Mapping[str, str]
    normalization: str
    input_shape: tuple[int, int]
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    converged: bool
    versions: Mapping[str, str]
    sha256: str

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> "ModelDescription":
        """Create a description from parsed JSON; raise ValueError, KeyError or TypeError for other content."""
        shape, classes = content["input_shape"], content["classes"]
        return cls(**content | {"input_shape": tuple(shape), "classes": tuple(classes)})


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A loaded classifier, with its description.

    Attributes
    ----------
    classifier : scikit-learn estimator
        Takes pixels in [0, 1], shape (n, rows * columns).
    description : ModelDescription or None
        None for a pickle with no description beside it.
    """

    classifier: Any
    description: ModelDescription | None

    def predict(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the label of each image.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, rows, columns)
            Pixels from 0 to 255; n may be 0.

        Raises
        ------
        DataError
            If the model does not take images of this size or type.
        """
        features = self._features(images)
        if not len(images):
            return np.asarray(self.classifier.classes_)[:0]  # scikit-learn raises on no rows
        return np.asarray(self.classifier.predict(features))

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the probability of each class, shape (n, k), for images as in :meth:`predict`."""
        features = self._features(images)
        if not len(images):
            return np.empty((0, len(self.classifier.classes_)))
        return np.asarray(self.classifier.predict_proba(features))

    def _features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if images.dtype != np.uint8 or images.ndim != 3:
            raise DataError(
                f"expected images as unsigned bytes with 3 dimensions, found {images.dtype} of shape {images.shape}"
            )
        pixels = images.reshape(len(images), images.shape[1] * images.shape[2])
        wanted = self.classifier.n_features_in_
        if pixels.shape[1] != wanted:
            shape = f" ({' x '.join(map(str, self.description.input_shape))})" if self.description else ""
            raise DataError(
                f"the model takes images of {wanted} pixels{shape}, these have {pixels.shape[1]} "
                f"({images.shape[1]} x {images.shape[2]})"
            )
        return np.divide(pixels, np.float32(WHITE), dtype=np.float32)


def current_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that training uses."""
    import sklearn

    from mnistlib._version import __version__

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "mnistlib": __version__,
    }


def pickle_classifier(classifier: Any) -> bytes:
    """Return the bytes of a pickle that `pickle.load` and `joblib.load` read without mnistlib."""
    return pickle.dumps(classifier)


def save_model(folder: Path, pickled: bytes, description: ModelDescription) -> None:
    """Write a model and its description into a folder, the description last."""
    publish_bytes(folder / MODEL_FILE, pickled)
    publish_bytes(folder / DESCRIPTION_FILE, json.dumps(asdict(description), indent=2).encode())


def load_model(path: str | os.PathLike[str], *, trust: bool = False) -> SavedModel:
    """Load a saved model, after checking its digest.

    The digest in the description shows that the file is complete, not who made it: a person who can change the file can
    also change the description. Load pickles only from folders to which only trusted people can write.

    Parameters
    ----------
    path : str or PathLike
        A pickle, its folder, or a ``.skops`` file, which runs no code and needs no trust.
    trust : bool, default False
        Load a pickle without a description. Loading a pickle runs the code in it: do this only with a file from a
        person you trust.

    Returns
    -------
    SavedModel
        The classifier and its description.

    Raises
    ------
    ModelError
        If the file was changed since it was written, can't be read, or has no description and `trust` is off.
    MissingExtraError
        If it is a ``.skops`` file and skops is not installed.
    FileNotFoundError
        If there is no such file.
    """
    file = Path(path)
    if file.is_dir():
        file = file / MODEL_FILE
    content, description = read_verified(file)
    if description is None and not trust and not is_skops(file.name):
        raise ModelError(
            f"{file} has no description: a {DESCRIPTION_FILE} beside it describes a file named {MODEL_FILE} only. "
            "Loading a pickle runs the code in it. If you trust its maker, load it with trust=True (--trust)"
        )
    return decode_model(str(file), content, description)


def read_verified(file: Path) -> tuple[bytes, ModelDescription | None]:
    """Return the bytes of a model's file, and its description, after checking the digest.

    Raises
    ------
    ModelError
        If the file was changed since its description was written.
    """
    content = file.read_bytes()
    description = _read_description(file.with_name(DESCRIPTION_FILE)) if file.name == MODEL_FILE else None
    if description is not None:
        found = hashlib.sha256(content).hexdigest()
        if found != description.sha256:
            raise ModelError(
                f"{file} was changed after it was written: expected SHA-256 {description.sha256}, found {found}. "
                "Train again, or fetch the file again"
            )
    return content, description


def decode_model(file: str, content: bytes, description: ModelDescription | None) -> SavedModel:
    """Load a model from the bytes of a trusted pickle or of a ``.skops`` file; `file` is its name.

    Raises
    ------
    ModelError
        If the file holds no classifier.
    """
    if is_skops(file):
        from mnistlib.models.exports import from_skops

        classifier = from_skops(file, content)
    else:
        classifier = _unpickle(file, content)
    if not hasattr(classifier, "predict"):
        raise ModelError(f"{file} holds a {type(classifier).__name__}, expected a scikit-learn classifier")
    if description is not None:
        _warn_of_versions(file, description)
    return SavedModel(classifier, description)


def is_skops(file: str) -> bool:
    """Return whether a file has the suffix of skops. Such a file is never read as a pickle."""
    return file.lower().endswith(".skops")


def _read_description(path: Path) -> ModelDescription | None:
    try:
        return ModelDescription.from_content(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} does not describe a model ({error}): train again, or fetch it again") from error


def _unpickle(file: str, content: bytes) -> Any:
    import joblib
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        # scikit-learn warns once for each part of an estimator; _warn_of_versions warns once.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        try:
            return joblib.load(io.BytesIO(content))
        except Exception as error:  # a pickle is a program: a damaged one can raise anything
            raise ModelError(f"{file} can't be read as a model: {type(error).__name__}: {error}") from error


def _warn_of_versions(file: str, description: ModelDescription) -> None:
    made_with, here = description.versions.get("scikit-learn"), current_versions()["scikit-learn"]
    if made_with != here:
        _log.warning("%s was made with scikit-learn %s and is read with %s: check its answers", file, made_with, here)
