"""Classifiers for tests. A server imports this module by its bare name, from the pickle of its model."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PAUSE = 0.005


class Blocking:
    """Predicts 1 for all rows, once a file named ``go`` is in its folder; records each call there first.

    Attributes
    ----------
    calls : Path
        One file for each call, named by its place, which holds the number of its rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = 2

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        call = self.calls / str(len(list(self.calls.iterdir())))
        part = self.folder / "part"
        part.write_text(str(len(rows)))
        part.rename(call)
        while not (self.folder / "go").exists():
            time.sleep(_PAUSE)  # in another process, so the signal is a file
        return np.ones(len(rows), np.int64)


class Failing:
    """Raises for a number above a half; predicts 0 otherwise."""

    def __init__(self) -> None:
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = 1

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        if (rows > 0.5).any():
            raise RuntimeError(f"a secret of process {os.getpid()}")
        return np.zeros(len(rows), np.int64)
