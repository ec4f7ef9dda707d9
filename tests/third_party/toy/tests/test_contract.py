"""The contract of mnistlib's backends, held by this one."""

import pytest
from toy_backend.backend import ToyBackend

from mnistlib.testing.contract import *


@pytest.fixture
def make_subject(tmp_path):
    runs = str(tmp_path / "runs")

    def make(finished):
        backend = ToyBackend(runs)
        if finished:
            backend.run(finished)
        return Subject(backend, f"mnistlib.get_backend('toy', runs_folder={runs!r})")

    return make
