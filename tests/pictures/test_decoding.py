"""Pictures of a digit in any format become the same image."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mnistlib import Dataset, PictureError, load_dataset
from mnistlib.models.artifact import SavedModel
from mnistlib.pictures.decoding import framed, row_of_png
from tests.serving.png_files import png
from tests.serving.servers import digit_picture

Pixels = NDArray[np.uint8]


pytestmark = pytest.mark.needs("PIL")


def seen(picture: bytes) -> NDArray[np.float64]:
    """Return the 8 x 8 pixels for the digits model."""
    return row_of_png(picture, shape=(8, 8)).reshape(8, 8)


def with_opacity(ink: Pixels, colour: tuple[int, int, int]) -> Pixels:
    return np.dstack([*(np.full_like(ink, value) for value in colour), ink])


def as_mode(pixels: Pixels, mode: str, **options: Any) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG", **options)
    return file.getvalue()


#: The same drawing, in many kinds of PNG files.
WAYS: dict[str, Callable[[Pixels], bytes]] = {
    "light on dark": png,
    "dark on light": lambda ink: png(255 - ink),
    "grey on grey": lambda ink: png(((255 - ink) // 3 + 90).astype(np.uint8)),
    "colour": lambda ink: png(np.dstack([255 - ink, 255 - ink, np.full_like(ink, 255)])),
    "palette": lambda ink: as_mode(255 - ink, "P"),
    "16 bits": lambda ink: png((255 - ink).astype(np.uint16) * 257),
    "16 bits, light on dark": lambda ink: png(ink.astype(np.uint16) * 257),
    "16 bits of colours": lambda ink: png(np.dstack([255 - ink] * 3).astype(np.uint16) * 257),
    "black on nothing": lambda ink: png(with_opacity(ink, (0, 0, 0))),
    "white on nothing": lambda ink: png(with_opacity(ink, (255, 255, 255))),
    "opaque, with an alpha channel": lambda ink: png(np.dstack([*[255 - ink] * 3, np.full_like(ink, 255)])),
    "grey with an alpha channel": lambda ink: png(np.dstack([255 - ink, np.full_like(ink, 255)])),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_digit_gives_the_same_pixels_in_every_png_format(digits: Dataset, way: str) -> None:
    ink = digit_picture(digits.test.images[5])
    np.testing.assert_allclose(seen(WAYS[way](ink)), seen(png(ink)), atol=0.05)


def test_a_picture_of_two_colours_is_decoded(digits: Dataset) -> None:
    ink = digit_picture(digits.test.images[5])
    black_and_white = as_mode(ink, "1")
    assert np.argmax(seen(black_and_white).sum(axis=0)) in range(8)
    np.testing.assert_allclose(seen(black_and_white), seen(png(ink)), atol=0.5)


@pytest.mark.parametrize("place", range(20))
def test_a_digit_gets_the_same_label_at_any_position_and_size(
    digits: Dataset, digits_model: SavedModel, place: int
) -> None:
    digit = digits.test.images[place]
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    inked = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    labels = set()
    for factor, margins in ((8, (9, 9, 9, 9)), (20, (5, 90, 30, 0)), (20, (300, 10, 0, 200)), (50, (40, 40, 900, 0))):
        top, bottom, left, right = margins
        picture = np.pad(np.kron(inked, np.ones((factor, factor), np.uint8)), ((top, bottom), (left, right)))
        labels.add(int(digits_model.classifier.predict(row_of_png(png(picture), shape=(8, 8)))[0]))
    assert len(labels) == 1


def test_pictures_of_digits_get_the_labels_of_the_digits(digits: Dataset, digits_model: SavedModel) -> None:
    images = digits.test.images[:150]
    expected = digits_model.predict(images)
    rows = np.concatenate([row_of_png(png(digit_picture(image)), shape=(8, 8)) for image in images])
    assert np.mean(digits_model.classifier.predict(rows) == expected) > 0.85  # the digits do not all fill their pixels


def test_paper_grain_is_not_ink(digits: Dataset) -> None:
    ink = digit_picture(digits.test.images[5]).astype(np.int64)
    grain = np.random.default_rng(0).integers(0, 6, ink.shape)
    noisy = png(np.clip(240 - ink + grain, 0, 255).astype(np.uint8))
    np.testing.assert_allclose(seen(noisy), seen(png(ink.astype(np.uint8))), atol=0.1)


@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 60),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 99),
)
def test_any_drawing_fills_its_frame_with_numbers_from_0_to_1(
    rows: int, columns: int, shape: tuple[int, int], seed: int
) -> None:
    ink = np.random.default_rng(seed).random((rows, columns), np.float32)
    ink *= np.random.default_rng(seed + 1).random((rows, columns)) > 0.5
    ink[seed % rows, seed % columns] = 1
    image = framed(ink, shape=shape)
    assert image.shape == shape
    assert image.min() >= 0
    assert 0 < image.max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 900)])
def test_a_line_is_decoded(size: tuple[int, int]) -> None:
    picture = np.zeros((size[0] + 20, size[1] + 20), np.uint8)
    picture[10:-10, 10:-10] = 255
    image = row_of_png(png(picture), shape=(28, 28))
    assert image.shape == (1, 784)
    assert image.max() > 0


def test_in_28_x_28_pixels_the_digit_has_20_and_its_centre_of_mass_is_in_the_middle() -> None:
    picture = np.zeros((200, 300), np.uint8)
    picture[20:120, 50:90] = 255
    picture[100:120, 50:130] = 255
    image = row_of_png(png(picture), shape=(28, 28)).reshape(28, 28)
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert (len(rows), len(columns)) == (20, 16)
    for axis in (0, 1):
        centre = image.sum(axis=1 - axis) @ np.arange(28) / image.sum()
        assert abs(centre - 14) <= 0.75


@pytest.mark.mnist
def test_png_files_of_mnist_images_give_the_same_images(mnist_folder: Path) -> None:
    images = load_dataset("mnist", data_folder=mnist_folder.parent).test.images[::10]
    came = np.concatenate([row_of_png(png(image), shape=(28, 28)) for image in images]).reshape(-1, 28, 28) * 255
    # The other tenth is not exactly centred, or not 20 pixels high, in MNIST itself.
    assert np.mean((np.rint(came) == images).all(axis=(1, 2))) > 0.85
    assert np.mean(np.abs(came - images).max(axis=(1, 2)) < 80) > 0.97


@pytest.mark.parametrize(("content", "code"), [(b"GIF89a", "png"), (png(np.zeros((8, 8, 2), np.uint8)), "empty")])
def test_an_error_has_a_code(content: bytes, code: str) -> None:
    with pytest.raises(PictureError) as caught:
        row_of_png(content, shape=(8, 8))
    assert caught.value.code == code
