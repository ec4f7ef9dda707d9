"""Two clouds of rows; as a dense array, or as a sparse one, which the solver leaves out."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from benchopt import BaseDataset
from scipy.sparse import csr_array


class Dataset(BaseDataset):  # type: ignore[misc]
    """Rows of random numbers, with labels of -1 and 1."""

    name = "made"
    parameters: ClassVar = {"sparse": [False, True]}

    def get_data(self) -> dict[str, Any]:
        """Return the rows and their labels."""
        random = np.random.default_rng(0)
        X = random.normal(size=(300, 10))
        y = np.where(X @ random.normal(size=10) + random.normal(size=300) > 0, 1, -1)
        return {"X": csr_array(X) if self.sparse else X, "y": y}
