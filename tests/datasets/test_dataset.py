import numpy as np
import pytest

from mnistlib import DataError
from mnistlib.datasets import Dataset, Split

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([0, 1], dtype=np.uint8)


def test_a_split_is_read_only_and_leaves_the_given_arrays_writeable() -> None:
    images = IMAGES.copy()
    split = Split(images, LABELS)
    with pytest.raises(ValueError, match="read-only"):
        split.images[0, 0, 0] = 1
    images[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES.astype(np.float32), LABELS, "images of unsigned bytes, found float32"),
        (IMAGES[0], LABELS, "images with 3 dimensions, found shape (3, 4)"),
        (IMAGES, LABELS.astype(np.int64), "labels of unsigned bytes, found int64"),
        (IMAGES, LABELS[:, None], "labels with 1 dimension, found shape (2, 1)"),
        (IMAGES, LABELS[:1], "2 images but 1 labels"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Split(images, labels)
    assert message in str(caught.value)


def test_splits_with_other_image_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="training images of 3 x 4 but test images of 4 x 3"):
        Dataset("d", Split(IMAGES, LABELS), Split(IMAGES.reshape(2, 4, 3), LABELS), ("a", "b"))


def test_a_label_without_a_class_is_refused() -> None:
    with pytest.raises(DataError, match="test labels go up to 7, expected 0 to 1"):
        Dataset("d", Split(IMAGES, LABELS), Split(IMAGES, np.array([0, 7], np.uint8)), ("a", "b"))


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="no test images"):
        Dataset("d", Split(IMAGES, LABELS), Split(IMAGES[:0], LABELS[:0]), ("a", "b"))


def test_images_without_pixels_are_refused() -> None:
    split = Split(np.zeros((2, 0, 4), np.uint8), LABELS)
    with pytest.raises(DataError, match="images have no pixels: 0 x 4"):
        Dataset("d", split, split, ("a", "b"))


def test_head_keeps_the_first_images_of_both_splits() -> None:
    dataset = Dataset("d", Split(IMAGES, LABELS), Split(IMAGES, LABELS), ("a", "b")).head(1)
    assert len(dataset.train) == len(dataset.test) == 1
    assert np.array_equal(dataset.train.images[0], IMAGES[0])


def test_the_text_form_is_one_line_with_counts_and_size() -> None:
    dataset = Dataset("d", Split(IMAGES, LABELS), Split(IMAGES, LABELS), ("a", "b"))
    assert repr(dataset) == "Dataset('d': 2 training and 2 test images of 3 x 4, 2 classes)"
    assert repr(dataset.train) == "Split(2 images of 3 x 4)"
