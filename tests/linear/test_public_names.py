"""Public names of the package, and the cost of its import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mnistlib.linear


def test_every_public_name_can_be_loaded() -> None:
    assert sorted(mnistlib.linear.__all__) == mnistlib.linear.__all__
    assert all(getattr(mnistlib.linear, name) for name in mnistlib.linear.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'LinearRegression'"):
        _ = mnistlib.linear.LinearRegression  # type: ignore[attr-defined]


def test_importing_the_package_does_not_load_scikit_learn() -> None:
    program = "import sys, mnistlib.linear.minimize; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
