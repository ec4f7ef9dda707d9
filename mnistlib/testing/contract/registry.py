"""Contract of a backend for its registered models."""

from pathlib import Path

import numpy as np
import pytest

import mnistlib
from mnistlib.backends import Backend
from mnistlib.errors import ModelError, ModelNotFoundError, RunStateError
from mnistlib.jobs import TrainJob
from mnistlib.runs import RunStatus
from mnistlib.testing.contract.subjects import LIMIT, TRAIN, Finished, until


class TestRegistry:
    def test_a_registered_model_is_found_by_name_and_predicts_the_same(self, trained: Finished) -> None:
        run = trained.run
        result = run.result(LIMIT)
        version = run.register_model("sklearn_mnist", description="the first", tags={"by": "me"})
        assert (version.name, version.version, version.run_id) == ("sklearn_mnist", 1, run.id)
        known = trained.backend.models.get("sklearn_mnist")
        assert (known.sha256, known.description, dict(known.tags)) == (version.sha256, "the first", {"by": "me"})
        assert known.metrics["accuracy"] == result.metrics["accuracy"]
        test = mnistlib.load_dataset("digits").test
        assert np.mean(known.load().predict(test.images) == test.labels) == result.metrics["accuracy"]

    def test_versions_count_up_from_1_and_no_number_is_used_twice(self, trained: Finished) -> None:
        run = trained.run
        assert [run.register_model("m").version for _ in range(3)] == [1, 2, 3]
        trained.backend.models.delete("m", 3)
        assert run.register_model("m").version == 4
        assert sorted(known.version for known in trained.backend.models.list("m")) == [1, 2, 4]
        assert trained.backend.models.get("m").version == 4
        assert trained.backend.models.get("m", 2).version == 2

    def test_a_model_is_downloaded(self, trained: Finished, tmp_path: Path) -> None:
        run = trained.run
        run.register_model("m")
        path = trained.backend.models.download("m", None, tmp_path / "copy")
        assert mnistlib.load_model(path).description is not None

    def test_a_missing_model_is_an_error_that_names_it(self, trained: Finished) -> None:
        run = trained.run
        run.register_model("mine")
        with pytest.raises(ModelNotFoundError, match="mine"):
            trained.backend.models.get("yours")
        with pytest.raises(ModelNotFoundError, match="7"):
            trained.backend.models.get("mine", 7)

    @pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "x" * 256])
    def test_an_invalid_name_is_an_error(self, trained: Finished, name: str) -> None:
        run = trained.run
        with pytest.raises(ModelError, match="name"):
            run.register_model(name)

    def test_registering_a_failed_run_is_an_error(self, backend: Backend) -> None:
        run = backend.submit(TrainJob(dataset="nowhere"))
        run.wait(LIMIT)
        with pytest.raises(RunStateError, match="failed"):
            run.register_model("m")

    def test_a_job_with_register_as_registers_its_model_when_it_completes(self, backend: Backend) -> None:
        run = backend.submit(TRAIN, register_as="itself")
        assert run.wait(LIMIT) is RunStatus.COMPLETED
        until(lambda: backend.models.list("itself"))
        known = backend.models.get("itself")
        assert known.sha256 == run.register_model("by_hand").sha256
        assert known.metrics["accuracy"] == run.metrics().latest["accuracy"]

    def test_an_invalid_name_is_an_error_before_the_job_runs(self, backend: Backend) -> None:
        with pytest.raises(ModelError, match="name"):
            backend.submit(TRAIN, register_as="a b")
        assert backend.runs() == []

    def test_registering_a_sweep_registers_its_best_model(self, swept: Finished) -> None:
        run = swept.run
        assert run.best is not None
        assert run.register_model("sweep").sha256 == run.best.register_model("child").sha256
