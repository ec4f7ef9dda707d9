"""The solver file for benchopt, run by benchopt in a benchmark with the same objective and names as the public one.

The public one has to be fetched; docs/drop-in.md says how, and what came of it.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

pytest.importorskip("benchopt")

ROOT = Path(__file__).parents[2]
BENCHMARK = Path(__file__).parent / "benchmark"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("benchmark") / "logistic"
    shutil.copytree(BENCHMARK, folder)
    (folder / "solvers").mkdir()
    shutil.copy(ROOT / "benchmarks" / "benchopt" / "mnistlib.py", folder / "solvers")
    command = [sys.executable, "-m", "benchopt", "run", str(folder), "--no-plot", "--no-html", "-n", "30", "-r", "1"]
    subprocess.run(command, check=True, cwd=folder)
    (file,) = (folder / "outputs").glob("*.parquet")
    return importlib.import_module("pandas").read_parquet(file)


@pytest.mark.parametrize("lmbd", [1.0, 0.01])
def test_the_objective_falls_to_the_minimum(results: Any, lmbd: float) -> None:
    values = results[results.p_obj_lmbd == lmbd].sort_values("stop_val").objective_value.to_numpy()
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 10))
    y = np.where(X @ random.normal(size=10) + random.normal(size=300) > 0, 1, -1)
    peer = LogisticRegression(C=1 / lmbd, fit_intercept=False, tol=1e-10, max_iter=1000).fit(X, y)
    beta = peer.coef_.ravel()
    least = np.logaddexp(0, -y * (X @ beta)).sum() + lmbd * (beta @ beta) / 2
    assert values[0] == pytest.approx(300 * np.log(2))
    assert (np.diff(values) <= 1e-9 * values[:-1]).all()
    assert values[-1] == pytest.approx(least, rel=1e-9)


def test_sparse_rows_are_left_out(results: Any) -> None:
    assert set(results.dataset_name) == {"made[sparse=False]"}
