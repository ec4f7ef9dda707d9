"""The contract, run for every backend of this package; conftest.py makes the backends."""

from mnistlib.testing.contract import *  # noqa: F403
