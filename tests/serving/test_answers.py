"""Responses to good requests: labels as from the tutorial's entry script, for all kinds of models and images."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mnistlib import Dataset, LocalBackend, load_model
from mnistlib.models.artifact import SavedModel
from tests.serving.png_files import png
from tests.serving.servers import IDX, JSON, PNG, Server, digit_picture, idx, needs_server, serving

KINDS = ("iris", "binary", "words", "objects", "sparse", "linear-svc", "svc")
WITHOUT_PROBABILITIES = ("linear-svc", "svc")


def tutorial(classifier: Any, raw: str) -> Any:
    """Return the answer of the tutorial's score.py, as parsed JSON."""
    data = np.array(json.loads(raw)["data"])
    return json.loads(json.dumps(classifier.predict(data).tolist()))


@given(rows=arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(64)), elements=st.floats(0, 1)))
def test_random_rows_get_the_labels_that_the_tutorials_script_gives(
    server: Server, digits_model: SavedModel, rows: Any
) -> None:
    raw = json.dumps({"data": rows.tolist()})
    assert server.post(raw.encode()).json() == tutorial(digits_model.classifier, raw)


def test_real_digits_get_the_labels_that_the_tutorials_script_gives(
    server: Server, digits_model: SavedModel, digits: Dataset
) -> None:
    raw = json.dumps({"data": (digits.test.images.reshape(-1, 64) / 255).tolist()})
    answer = server.post(raw.encode())
    assert answer.headers["Content-Type"] == JSON
    assert answer.json() == tutorial(digits_model.classifier, raw)


@pytest.mark.parametrize("kind", KINDS)
def test_any_classifier_gets_the_labels_of_the_tutorials_script(
    server_of: Callable[[str], Server], model_file: Callable[[str], Path], kind: str
) -> None:
    classifier = load_model(model_file(kind), trust=True).classifier
    raw = json.dumps({"data": (np.random.default_rng(0).random((200, 4)) * 8 - 1).tolist()})
    assert server_of(kind).post(raw.encode()).json() == tutorial(classifier, raw)


@pytest.mark.parametrize("kind", [*KINDS, "script"])
def test_model_facts_of_any_classifier_match_its_coefficients(
    server_of: Callable[[str], Server], model_file: Callable[[str], Path], kind: str
) -> None:
    classifier = load_model(model_file(kind), trust=True).classifier
    facts = server_of(kind).get("/model").json()
    assert facts["classes"] == list(map(str, classifier.classes_))
    assert (facts["shape"] == [28, 28]) == (kind == "script")
    if facts["weights"] is not None:
        scores = classifier.coef_ @ np.ones(classifier.n_features_in_) + classifier.intercept_
        summed = np.sum(facts["weights"], axis=1) + facts["intercepts"]
        np.testing.assert_allclose(summed, scores - scores.mean(), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_those_of_the_classifier_or_an_error(
    server_of: Callable[[str], Server], model_file: Callable[[str], Path], kind: str
) -> None:
    classifier = load_model(model_file(kind), trust=True).classifier
    rows = (np.random.default_rng(1).random((20, 4)) * 8).tolist()
    answer = server_of(kind).post({"data": rows}, path="/score?proba=1")
    if kind in WITHOUT_PROBABILITIES:
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "query")
        return
    content = answer.json()
    assert content["labels"] == classifier.predict(rows).tolist()
    assert content["classes"] == classifier.classes_.tolist()
    np.testing.assert_allclose(content["probabilities"], classifier.predict_proba(rows), rtol=0, atol=1e-12)


def test_proba_0_returns_labels_only(server: Server) -> None:
    assert (
        server.post({"data": [[0.5] * 64]}, path="/score?proba=0").json() == server.post({"data": [[0.5] * 64]}).json()
    )


def test_features_that_are_not_pixels_may_be_any_finite_number(server_of: Callable[[str], Server]) -> None:
    assert len(server_of("iris").post({"data": [[-1e300, 1e300, 255, 0]]}).json()) == 1


def test_nan_probabilities_are_null(server_of: Callable[[str], Server]) -> None:
    content = server_of("iris").post({"data": [[1e308] * 4]}, path="/score?proba=1").json()
    assert content["probabilities"] == [[None, None, None]]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("count", [0, 1, 2, 355])
def test_idx_images_get_the_labels_that_the_saved_model_gives(
    server: Server, digits_model: SavedModel, digits: Dataset, count: int, pack: Callable[[bytes], bytes]
) -> None:
    images = digits.test.images[:count]
    answer = server.post(pack(idx(images)), IDX)
    assert answer.json() == digits_model.predict(images).tolist()


@pytest.mark.parametrize("shape", [(8, 8), (1, 64), (1, 8, 8)])
def test_one_image_is_accepted_in_any_shape_with_its_pixels(
    server: Server, digits_model: SavedModel, digits: Dataset, shape: tuple[int, ...]
) -> None:
    image = digits.test.images[:1]
    assert server.post(idx(image.reshape(shape)), IDX).json() == digits_model.predict(image).tolist()


def test_idx_images_may_be_rows_of_pixels(server: Server, digits_model: SavedModel, digits: Dataset) -> None:
    images = digits.test.images
    assert server.post(idx(images.reshape(-1, 64)), IDX).json() == digits_model.predict(images).tolist()


def test_probabilities_of_idx_images_are_the_saved_models(
    server: Server, digits_model: SavedModel, digits: Dataset
) -> None:
    images = digits.test.images[:50]
    content = server.post(idx(images), IDX, path="/score?proba=1").json()
    np.testing.assert_allclose(content["probabilities"], digits_model.predict_proba(images), rtol=0, atol=1e-12)


def test_no_images_get_empty_labels_and_probabilities(server: Server, digits: Dataset) -> None:
    content = server.post(idx(digits.test.images[:0]), IDX, path="/score?proba=1").json()
    assert (content["labels"], content["probabilities"]) == ([], [])


def test_labels_of_many_blocks_keep_the_order_of_the_images(
    server: Server, digits_model: SavedModel, digits: Dataset
) -> None:
    images = np.concatenate([digits.test.images] * 60)
    assert len(images) > 16_384
    expected = np.tile(digits_model.predict(digits.test.images), 60).tolist()
    assert server.post(idx(images), IDX).json() == expected
    content = server.post(idx(images), IDX, path="/score?proba=1").json()
    assert content["labels"] == expected
    assert np.shape(content["probabilities"]) == (len(images), 10)


def test_a_scripts_model_of_784_pixels_takes_images_of_28_x_28(
    server_of: Callable[[str], Server], script_model: SavedModel
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    assert server_of("script").post(idx(images), IDX).json() == script_model.predict(images).tolist()


def test_content_type_may_have_parameters_and_upper_case(server: Server) -> None:
    assert server.post({"data": [[0] * 64]}, "Application/JSON; charset=utf-8").ok


def test_a_picture_is_labelled_and_its_pixels_are_returned(server: Server, digits: Dataset) -> None:
    picture = png(digit_picture(digits.test.images[0]))
    label = int(digits.test.labels[0])
    assert server.post(picture, PNG).json() == [label]
    content = server.post(picture, PNG, path="/look").json()
    assert content["label"] == int(np.argmax(content["probabilities"])) == label
    assert len(content["pixels"]) == 64
    assert 0 <= min(content["pixels"]) < max(content["pixels"]) <= 1


def test_a_picture_and_its_probabilities_agree(server: Server, digits: Dataset) -> None:
    content = server.post(png(digit_picture(digits.test.images[3])), PNG, path="/score?proba=1").json()
    assert content["labels"] == [content["classes"][int(np.argmax(content["probabilities"]))]]


@needs_server
def test_a_service_serves_the_named_version_or_the_newest(runs_folder: Path, tmp_path: Path, server: Server) -> None:
    assert server.get("/health").json()["model"] == "digits:2"
    with serving(tmp_path, "digits:1", "--runs", runs_folder) as first:
        assert first.get("/health").json()["model"] == "digits:1"


@needs_server
def test_a_runs_model_and_a_described_file_are_served_without_trust(
    runs_folder: Path, tmp_path: Path, digits: Dataset
) -> None:
    run = LocalBackend(runs_folder).runs()[0]
    for model in (run.id, run.result().model_path):
        with serving(tmp_path, model, "--runs", runs_folder) as served:
            assert len(served.post(idx(digits.test.images[:3]), IDX).json()) == 3
