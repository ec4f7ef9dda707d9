"""Data of the solver's benchmark."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform
from sklearn.datasets import make_classification

Bytes = npt.NDArray[np.uint8]
SIDE = 28


@dataclass(frozen=True)
class Problem:
    """Rows, their classes, and how to train on them.

    `X` is an array of unsigned bytes or float64, shape (n, d); `scale` is the factor of its numbers.
    """

    name: str
    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    C: float
    scale: float = 1 / 255

    def floats(self, dtype: type) -> npt.NDArray[Any]:
        """Return scaled rows of a dtype, as input for scikit-learn."""
        return (self.X * np.float64(self.scale)).astype(dtype)


def _idx(name: str, header: int) -> Bytes:
    folder = os.environ.get("MNISTLIB_DATA")
    if folder is None:
        raise SystemExit("MNISTLIB_DATA is not set: set it to the parent folder of mnist/train-images-idx3-ubyte.gz.")
    return np.frombuffer(gzip.decompress((Path(folder) / "mnist" / name).read_bytes()), np.uint8, offset=header)


def mnist(part: str) -> tuple[Bytes, Bytes]:
    """Return the images as rows and the labels of ``"train"`` or ``"t10k"``."""
    labels = _idx(f"{part}-labels-idx1-ubyte.gz", 8)
    return _idx(f"{part}-images-idx3-ubyte.gz", 16).reshape(len(labels), -1), labels


def textured(X: Bytes, random: np.random.Generator) -> Bytes:
    """Return the images, each transformed by one of 500 random affine maps: strokes everywhere, as in KMNIST."""
    maps = [np.eye(2) + random.normal(scale=0.25, size=(2, 2)) for _ in range(500)]
    moves = [SIDE / 2 - m @ [SIDE / 2, SIDE / 2] + random.normal(scale=1.5, size=2) for m in maps]
    result = np.empty_like(X)
    for start in range(len(maps)):
        images = X[start :: len(maps)].reshape(-1, SIDE, SIDE)
        whole = np.eye(3)
        whole[1:, 1:] = maps[start]
        moved = affine_transform(images, whole, offset=[0, *moves[start]], order=1)
        result[start :: len(maps)] = moved.reshape(-1, SIDE * SIDE)
    return result


def problems(*, quick: bool) -> list[Problem]:
    """Return the problems of bar 7."""
    X, y = mnist("train")
    random = np.random.default_rng(0)
    share = 10 if quick else 1
    X, y = X[: len(X) // share], y[: len(y) // share]
    texture = textured(X, random)
    # Twenty-six classes: digits in three variants (unchanged, upside down, textured), modulo 26.
    variant = random.integers(0, 3, len(X))
    letters = np.where(variant[:, None] == 1, X[:, ::-1], np.where(variant[:, None] == 2, texture, X))
    names = (y.astype(int) + 10 * variant) % 26
    table, classes = make_classification(
        500_000 // share,
        54,
        n_informative=20,
        n_redundant=10,
        n_classes=7,
        n_clusters_per_class=3,
        random_state=0,
    )
    return [
        Problem("texture", texture, y, 2.0),
        Problem("26 classes", np.ascontiguousarray(letters), names, 2.0),
        Problem("2 classes", X, y % 2, 2.0),
        Problem("tabular", table, classes, 1.0, scale=1.0),
    ]


def enlarged(path: Path, rows: int) -> npt.NDArray[Any]:
    """Write rows of shifted and jittered digits to a file and their labels beside it; return the labels."""
    X, y = mnist("train")
    random = np.random.default_rng(0)
    labels = np.empty(rows, np.uint8)
    with path.open("wb") as file:
        for start in range(0, rows, len(X)):
            count = min(len(X), rows - start)
            order = random.permutation(len(X))[:count]
            images = np.roll(X[order].reshape(-1, SIDE, SIDE), random.integers(-2, 3, 2), axis=(1, 2))
            jitter = random.integers(0, 24, images.shape, dtype=np.uint8)
            file.write(np.where(images > 0, images - np.minimum(images, jitter), images).tobytes())
            labels[start : start + count] = y[order]
        file.flush()
        os.fsync(file.fileno())  # otherwise the disk is still being written while passes are timed
    np.save(path.with_suffix(".labels.npy"), labels)
    return labels
