"""Model formats skops, which runs no code on loading, and ONNX."""

import copy
import logging
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from mnistlib.errors import MissingExtraError, ModelError

_ONNX_OPSET = 17  # ONNX Runtime reads it since 1.12

_log = logging.getLogger("mnistlib")


def to_skops(classifier: Any) -> bytes:
    """Return the bytes of a ``.skops`` file.

    Raises
    ------
    MissingExtraError
        If skops is not installed.
    """
    try:
        import skops.io
    except ImportError as error:
        raise MissingExtraError("the .skops format", "skops") from error
    content: bytes = skops.io.dumps(classifier)
    return content


def from_skops(file: str, content: bytes) -> Any:
    """Load a classifier from the bytes of a ``.skops`` file; `file` is its name for errors.

    Only types of scikit-learn, NumPy and SciPy are created, and no pickle is read.

    Raises
    ------
    MissingExtraError
        If skops is not installed.
    ModelError
        If the file is not in this format, or holds another type.
    """
    try:
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException
    except ImportError as error:
        raise MissingExtraError("the .skops format", "skops") from error
    try:
        return _load_skops(skops.io.loads, file, content)
    except UntrustedTypesFoundException as error:
        raise ModelError(f"{file} holds more than a plain model, and is not loaded: {error}") from error
    except zipfile.BadZipFile as error:
        raise ModelError(f"{file} is not a .skops file; if it is a pickle, rename it") from error
    except Exception as error:  # a damaged file can raise anything
        raise ModelError(f"{file} can't be read as a model: {type(error).__name__}: {error}") from error


def _load_skops(loads: Callable[[bytes], Any], file: str, content: bytes) -> Any:
    """Load a classifier; log one warning if another version of scikit-learn wrote it, as for a pickle."""
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings(record=True) as caught:
        # scikit-learn warns once for each part of an estimator.
        warnings.simplefilter("always", InconsistentVersionWarning)
        classifier = loads(content)
    versions = None
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            versions = (warning.message.original_sklearn_version, warning.message.current_sklearn_version)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if versions:
        _log.warning("%s was made with scikit-learn %s and is read with %s: check its answers", file, *versions)
    return classifier


def to_onnx(classifier: Any) -> bytes:
    """Return the bytes of an ONNX file; see :meth:`mnistlib.ModelVersion.export_onnx`.

    Raises
    ------
    MissingExtraError
        If skl2onnx is not installed.
    ModelError
        If ONNX does not support the classifier.
    """
    try:
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ImportError as error:
        raise MissingExtraError("ONNX", "onnx") from error
    pixels = FloatTensorType([None, classifier.n_features_in_])
    try:
        model = skl2onnx.to_onnx(
            _with_wide_labels(classifier),
            initial_types=[("pixels", pixels)],
            # Probabilities as an array; the default is a list of dictionaries.
            options={"zipmap": False},
            target_opset=_ONNX_OPSET,
        )
    except Exception as error:
        raise ModelError(f"a {type(classifier).__name__} can't be written as ONNX: {error}") from error
    content: bytes = model.SerializeToString()
    return content


def _with_wide_labels(classifier: Any) -> Any:
    """Return a copy with int64 labels, the integer type that skl2onnx supports for labels everywhere."""
    wide = copy.copy(classifier)
    if np.issubdtype(wide.classes_.dtype, np.integer):
        wide.classes_ = wide.classes_.astype(np.int64)
    return wide
