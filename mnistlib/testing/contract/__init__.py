"""Contract of every backend: a pytest suite, for the backends of other distributions too.

A test module of the backend imports the suite and defines the only fixture that the suite needs::

    import pytest
    from mnistlib.testing.contract import *

    @pytest.fixture
    def make_subject(tmp_path):
        def make(finished):
            backend = MyBackend(tmp_path / "runs")
            if finished:
                backend.run(finished)
            return Subject(backend, f"mnistlib.get_backend('mine', runs_folder={str(tmp_path / 'runs')!r})")

        return make

The tests call the methods of `Backend`, `Run`, `Models`, `Services` and `Service` only. Long jobs are
scripts that print a line at their start and run until they are cancelled, so that no test depends on time.

subjects   the backend under test, and the fixtures
jobs       training, sweeps and scripts
runs       failure, cancellation, waiting, other processes, plans
registry   registered models
services   deployed services
"""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("subjects", "jobs", "runs", "registry", "services")))

from mnistlib.testing.contract.jobs import TestScripts, TestSweeps, TestTraining
from mnistlib.testing.contract.registry import TestRegistry
from mnistlib.testing.contract.runs import (
    TestAttaching,
    TestCancel,
    TestConcurrency,
    TestFailure,
    TestPlanning,
    TestWaiting,
)
from mnistlib.testing.contract.services import TestAnswers, TestHandles, TestNames, deployed, model
from mnistlib.testing.contract.subjects import Finished, MakeSubject, Subject, backend, source, subject, swept, trained

__all__ = [
    "Finished",
    "MakeSubject",
    "Subject",
    "TestAnswers",
    "TestAttaching",
    "TestCancel",
    "TestConcurrency",
    "TestFailure",
    "TestHandles",
    "TestNames",
    "TestPlanning",
    "TestRegistry",
    "TestScripts",
    "TestSweeps",
    "TestTraining",
    "TestWaiting",
    "backend",
    "deployed",
    "model",
    "source",
    "subject",
    "swept",
    "trained",
]
