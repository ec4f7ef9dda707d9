"""Data sets of labelled images as checked arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and their labels.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, rows, columns)
        Pixels, 0 = background, 255 = ink. Read-only.
    labels : ndarray of uint8, shape (n,)
        The class of each image. Read-only.

    Raises
    ------
    DataError
        If the type or rank of an array is wrong, or the lengths differ.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        _check_array(self.images, 3, "images")
        _check_array(self.labels, 1, "labels")
        if len(self.images) != len(self.labels):
            raise DataError(f"{len(self.images):,} images but {len(self.labels):,} labels: expected equal numbers")
        for name in ("images", "labels"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        rows, columns = self.images.shape[1:]
        return f"Split({len(self)} images of {rows} x {columns})"

    def head(self, count: int) -> "Split":
        """Return the first `count` images with their labels, or all if there are fewer."""
        return Split(self.images[:count], self.labels[:count])


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test images with labels.

    Attributes
    ----------
    name : str
        Name or folder from which the data set was loaded.
    train, test : Split
        Images and labels for training and for testing.
    classes : tuple of str
        Class names of the labels 0, 1, 2 …
    digests : mapping of str to str
        SHA-256 of the raw IDX bytes of each of the four parts, in hexadecimal.

    Raises
    ------
    DataError
        If a split is empty, the splits differ in image size, or a label has no class.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for which, split in (("training", self.train), ("test", self.test)):
            if not len(split):
                raise DataError(f"{self.name}: no {which} images")
            if split.labels.max() >= len(self.classes):
                raise DataError(
                    f"{self.name}: the {which} labels go up to {split.labels.max()}, "
                    f"expected 0 to {len(self.classes) - 1}"
                )
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise DataError(
                f"{self.name}: training images of {_size(self.train)} but test images of {_size(self.test)}: "
                "expected one size"
            )
        if not self.train.images[0].size:
            raise DataError(f"{self.name}: the images have no pixels: {_size(self.train)}")

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self.train)} training and {len(self.test)} test images "
            f"of {_size(self.train)}, {len(self.classes)} classes)"
        )

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of each image."""
        rows, columns = self.train.images.shape[1:]
        return rows, columns

    def head(self, count: int) -> "Dataset":
        """Return the data set with at most `count` images in each split."""
        return Dataset(self.name, self.train.head(count), self.test.head(count), self.classes, self.digests)

    def holding_out(self, share: float, *, seed: int) -> "Dataset":
        """Return the data set with a random share of the training images in place of the test images.

        Parameters
        ----------
        share : float
            Share between 0 and 1; each split gets at least one image.
        seed : int
            Seed of the random selection.

        Raises
        ------
        DataError
            If there are fewer than two training images.
        """
        count = len(self.train)
        if count < 2:
            raise DataError(f"{self.name}: validation needs at least two training images, found {count}")
        held = min(max(1, round(share * count)), count - 1)
        order = np.random.default_rng(seed).permutation(count)
        # Sorted, so that a memory map is read from front to back.
        parts = np.sort(order[held:]), np.sort(order[:held])
        kept, held_out = (Split(self.train.images[part], self.train.labels[part]) for part in parts)
        return Dataset(self.name, kept, held_out, self.classes, self.digests)


def _check_array(array: NDArray[Any], dimensions: int, kind: str) -> None:
    if array.dtype != np.uint8:
        raise DataError(f"expected {kind} of unsigned bytes, found {array.dtype}")
    if array.ndim != dimensions:
        raise DataError(
            f"expected {kind} with {dimensions} dimension{'s'[: dimensions > 1]}, found shape {array.shape}"
        )


def _size(split: Split) -> str:
    rows, columns = split.images.shape[1:]
    return f"{rows} x {columns}"
