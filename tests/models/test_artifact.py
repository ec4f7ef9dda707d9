import json
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from mnistlib import DataError, LocalBackend, ModelError, TrainJob, load_dataset, load_model
from mnistlib.runs import RunResult


@pytest.fixture
def run(tmp_path: Path) -> RunResult:
    return LocalBackend(tmp_path).run(TrainJob(dataset="digits", regularization=0.5, tol=1e-2))


def change_description(run: RunResult, **changes: object) -> None:
    path = run.model_path.with_name("model.json")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def test_a_loaded_model_gives_the_same_labels(run: RunResult) -> None:
    test = load_dataset("digits").test
    assert np.mean(load_model(run.model_path).predict(test.images) == test.labels) == run.metrics["accuracy"]


@pytest.mark.parametrize("library", ["pickle", "joblib"])
def test_loading_the_pickle_needs_no_mnistlib(run: RunResult, library: str) -> None:
    code = (
        f"import sys, {library}; sys.modules['mnistlib'] = None; "
        f"print({library}.load(open(sys.argv[1], 'rb')).predict([[0.0] * 64]).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.model_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "(1,)\n"


def test_the_description_says_where_the_model_comes_from(run: RunResult) -> None:
    description = load_model(run.model_path.parent).description
    assert description is not None
    assert description.dataset == "digits"
    assert dict(description.digests) == dict(load_dataset("digits").digests)
    assert (description.normalization, description.input_shape) == ("unit", (8, 8))
    assert dict(description.metrics) == dict(run.metrics)
    assert set(description.versions) == {"python", "numpy", "scikit-learn", "mnistlib"}


def test_a_changed_byte_is_refused_before_anything_is_loaded(run: RunResult) -> None:
    content = bytearray(run.model_path.read_bytes())
    content[len(content) // 2] ^= 1
    run.model_path.write_bytes(content)
    with pytest.raises(ModelError, match="was changed after it was written: expected SHA-256"):
        load_model(run.model_path)


def test_a_pickle_of_unknown_origin_is_loaded_only_on_trust(run: RunResult, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.pkl"
    foreign.write_bytes(run.model_path.read_bytes())
    with pytest.raises(ModelError, match="trust=True"):
        load_model(foreign)
    assert load_model(foreign, trust=True).description is None


def test_the_error_for_a_renamed_pickle_names_the_described_file(run: RunResult) -> None:
    renamed = run.model_path.rename(run.model_path.with_name("best.pkl"))
    with pytest.raises(ModelError, match=r"describes a file named sklearn_mnist_model\.pkl only.*trust=True"):
        load_model(renamed)


def test_a_file_that_is_not_a_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"no pickle")
    with pytest.raises(ModelError, match="can't be read as a model"):
        load_model(tmp_path / "model.pkl", trust=True)


def test_a_pickle_without_a_classifier_is_refused(tmp_path: Path) -> None:
    joblib.dump({"a": 1}, tmp_path / "model.pkl")
    with pytest.raises(ModelError, match="holds a dict, expected a scikit-learn classifier"):
        load_model(tmp_path / "model.pkl", trust=True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": 3}'])
def test_a_damaged_description_is_refused(run: RunResult, content: str) -> None:
    run.model_path.with_name("model.json").write_text(content)
    with pytest.raises(ModelError, match="does not describe a model"):
        load_model(run.model_path)


def test_a_missing_file_stays_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent.pkl")


def test_a_model_of_another_scikit_learn_version_logs_one_warning(
    run: RunResult, caplog: pytest.LogCaptureFixture
) -> None:
    change_description(run, versions={"scikit-learn": "0.1"})
    load_model(run.model_path)
    (record,) = caplog.records
    assert "made with scikit-learn 0.1" in record.getMessage()


def test_no_images_get_no_labels(run: RunResult) -> None:
    model = load_model(run.model_path)
    none = np.zeros((0, 8, 8), np.uint8)
    assert model.predict(none).shape == (0,)
    assert model.predict(none).dtype == model.predict(np.zeros((1, 8, 8), np.uint8)).dtype
    assert model.predict_proba(none).shape == (0, 10)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 28, 28), np.uint8), "takes images of 64 pixels (8 x 8), these have 784 (28 x 28)"),
        (np.zeros((0, 28, 28), np.uint8), "takes images of 64 pixels (8 x 8), these have 784 (28 x 28)"),
        (np.zeros((1, 8, 8), np.float32), "found float32 of shape (1, 8, 8)"),
        (np.zeros((1, 64), np.uint8), "found uint8 of shape (1, 64)"),
    ],
)
def test_images_that_do_not_fit_are_refused(run: RunResult, images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_model(run.model_path).predict(images)
    assert message in str(caught.value)
