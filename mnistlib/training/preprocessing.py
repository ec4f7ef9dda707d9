"""Normalization of pixels to features, and conversion of a classifier of features to one of pixels.

Every normalization is an affine map of each pixel, ``(pixel - offset) / divisor``. Therefore a linear classifier of the
features is also a linear classifier of pixels in [0, 1], with other coefficients. Saved models always classify pixels
in [0, 1], so their use does not depend on the normalization in training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mnistlib.errors import DataError
from mnistlib.pictures import WHITE
from mnistlib.training.options import NORMALIZATIONS

_BLOCK_ROWS = 4096  # images converted at a time, to avoid a second copy of all images


@dataclass(frozen=True, eq=False)
class Normalization:
    """Affine map from pixels to features.

    Attributes
    ----------
    offset, divisor : ndarray of float64, shape () or (rows * columns,)
        A feature is ``(pixel - offset) / divisor``, for pixels from 0 to 255.
    """

    offset: NDArray[np.float64]
    divisor: NDArray[np.float64]

    def apply(self, images: NDArray[np.uint8], *, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Return the features of images.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, rows, columns)
            Pixels from 0 to 255.
        dtype : dtype, default float32
            Floating-point type of the features and of intermediate values.

        Returns
        -------
        ndarray of `dtype`, shape (n, rows * columns)
            The features, in new memory.
        """
        pixels = images.reshape(len(images), -1)
        features = np.empty(pixels.shape, dtype)
        offset, divisor = self.offset.astype(dtype), self.divisor.astype(dtype)
        for start in range(0, len(pixels), _BLOCK_ROWS):
            block = features[start : start + _BLOCK_ROWS]
            np.subtract(pixels[start : start + _BLOCK_ROWS], offset, out=block)
            np.divide(block, divisor, out=block)
        return features

    def fold(
        self, coefficients: NDArray[Any], intercept: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Convert a linear classifier of features to one of pixels in [0, 1].

        Parameters
        ----------
        coefficients : ndarray, shape (k, rows * columns)
            Coefficients of the features.
        intercept : ndarray, shape (k,)
            Intercepts.

        Returns
        -------
        coefficients, intercept : ndarray of float64
            Coefficients and intercepts for ``pixel / 255``, of the same shapes.
        """
        per_pixel = coefficients.astype(np.float64) / self.divisor
        return per_pixel * WHITE, intercept - (per_pixel * self.offset).sum(axis=1)


def _unit(_images: NDArray[np.uint8]) -> Normalization:
    return Normalization(np.zeros(()), np.full((), float(WHITE)))


def _none(_images: NDArray[np.uint8]) -> Normalization:
    return Normalization(np.zeros(()), np.ones(()))


def _standard(images: NDArray[np.uint8]) -> Normalization:
    pixels = images.reshape(len(images), -1)
    total = np.zeros(pixels.shape[1], np.uint64)
    total_of_squares = np.zeros(pixels.shape[1], np.uint64)
    for start in range(0, len(pixels), _BLOCK_ROWS):
        block = pixels[start : start + _BLOCK_ROWS]
        total += block.sum(axis=0, dtype=np.uint64)
        total_of_squares += np.multiply(block, block, dtype=np.uint32).sum(axis=0, dtype=np.uint64)
    mean = total / len(pixels)
    # The sums are exact integers, so n * sum(x^2) - sum(x)^2 loses no precision.
    spread = len(pixels) * total_of_squares.astype(object) - total.astype(object) ** 2
    deviation = np.sqrt(spread.astype(np.float64)) / len(pixels)
    return Normalization(mean, np.where(deviation > 0, deviation, 1.0))  # a constant pixel becomes zero


_FITTERS: dict[str, Callable[[NDArray[np.uint8]], Normalization]] = {
    "unit": _unit,
    "standard": _standard,
    "none": _none,
}


def fit_normalization(name: str, images: NDArray[np.uint8]) -> Normalization:
    """Fit the normalization with the given name to images.

    Parameters
    ----------
    name : {"unit", "standard", "none"}
        ``unit`` maps pixels to [0, 1], like ``/ 255`` in the tutorial. ``standard`` maps each pixel to mean 0 and
        standard deviation 1 over `images`, and constant pixels to 0. ``none`` keeps 0 to 255.
    images : ndarray of uint8, shape (n, rows, columns)
        Training images.

    Returns
    -------
    Normalization
        Normalization for images of the same size.

    Raises
    ------
    DataError
        If the name is unknown.

    Examples
    --------
    >>> images = np.array([[[0, 255]], [[51, 255]]], dtype=np.uint8)
    >>> fit_normalization("unit", images).apply(images)
    array([[0. , 1. ],
           [0.2, 1. ]], dtype=float32)
    """
    if name not in NORMALIZATIONS:
        raise DataError(f"unknown normalization {name!r}: expected one of {', '.join(NORMALIZATIONS)}")
    return _FITTERS[name](images)
