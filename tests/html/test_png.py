import base64
import io
import re

import numpy as np
import pytest

from mnistlib.html.png import AGAINST, FOR, digit, png, strongest_of, weight_map

needs_pillow = pytest.mark.needs("PIL")


def pixels_of(picture: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    from PIL import Image

    (data,) = re.findall(r'src="data:image/png;base64,([^"]*)"', picture)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@needs_pillow
def test_a_png_reads_back_as_the_pixels_it_was_made_of() -> None:
    from PIL import Image

    for channels, mode in ((2, "LA"), (4, "RGBA")):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
        read = Image.open(io.BytesIO(png(pixels)))
        assert read.mode == mode
        np.testing.assert_array_equal(np.asarray(read), pixels)


@needs_pillow
def test_a_digit_is_black_ink_on_a_transparent_background() -> None:
    ink = np.array([[0, 128], [255, 1]], np.uint8)
    pixels = pixels_of(digit(ink, alt="x"))
    np.testing.assert_array_equal(pixels[..., 0], 0)
    np.testing.assert_array_equal(pixels[..., 1], ink)


@needs_pillow
def test_weights_have_one_colour_for_each_sign_and_none_for_zero() -> None:
    pixels = pixels_of(weight_map(np.array([[2.0, 0.0], [-1.0, 9.0]]), strongest=2.0, alt="x"))
    assert tuple(pixels[0, 0]) == (*FOR, 255)
    assert pixels[0, 1, 3] == 0
    assert tuple(pixels[1, 0]) == (*AGAINST, 128)
    assert tuple(pixels[1, 1]) == (*FOR, 255)


def test_weights_that_are_all_zero_can_be_drawn() -> None:
    zeros = np.zeros((2, 3, 3))
    assert strongest_of(zeros) > 0
    assert weight_map(zeros[0], strongest=strongest_of(zeros), alt="x")


def test_alternative_text_is_escaped() -> None:
    assert '"<b>' not in digit(np.zeros((2, 2), np.uint8), alt='"<b>')
