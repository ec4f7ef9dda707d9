import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlib import MissingExtraError
from mnistlib.plots import draw_confusion, draw_images, draw_text, save_png

IMAGES = np.zeros((3, 4, 8), np.uint8)
IMAGES[:, 0] = 255
CONFUSION = np.array([[5, 0, 0], [2, 2, 0], [1, 0, 9]])


def test_two_rows_of_pixels_make_one_line_above_the_caption() -> None:
    assert draw_text(IMAGES[:1], ["seven"]) == "▀▀▀▀▀▀▀▀\n\nseven\n"


def test_images_fill_the_width_of_the_terminal() -> None:
    lines = draw_text(IMAGES, ["a", "b", "c"], width=18).splitlines()
    assert [line.split() for line in lines] == [["▀" * 8, "▀" * 8], [], ["a", "b"], ["▀" * 8], [], ["c"]]


def test_an_odd_number_of_rows_is_drawn() -> None:
    assert draw_text(np.full((1, 3, 2), 255, np.uint8), [""]) == "██\n▀▀\n\n"


def test_no_images_give_empty_text() -> None:
    assert draw_text(IMAGES[:0], []) == ""


@pytest.mark.needs("matplotlib")
def test_a_png_is_written(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", IMAGES, ["a", "b", "c"])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


@pytest.mark.needs("matplotlib")
def test_wrong_images_are_red_and_others_grey() -> None:
    figure = draw_images(IMAGES, ["a", "b as c", "d"], wrong=np.array([False, True, False]))
    drawn = {axes.get_title(): axes.images[0].get_cmap().name for axes in figure.axes if axes.images}
    assert drawn == {"a": "gray_r", "b as c": "Reds", "d": "gray_r"}
    letters = [axes.title.get_color() for axes in figure.axes if axes.images]
    assert letters[0] == letters[2] != letters[1]


@pytest.mark.needs("matplotlib")
def test_the_number_of_images_in_a_row_can_be_set() -> None:
    figure = draw_images(IMAGES, ["a", "b", "c"], across=1)
    assert len({axes.get_position().x0 for axes in figure.axes}) == 1


@pytest.mark.needs("matplotlib")
def test_a_confusion_matrix_has_its_numbers_and_the_names_of_its_classes() -> None:
    (axes,) = draw_confusion(CONFUSION, ["o", "ki", "su"]).axes
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): "5", (0, 1): "2", (1, 1): "2", (0, 2): "1", (2, 2): "9"
    }  # fmt: skip
    assert [label.get_text() for label in axes.get_yticklabels()] == ["o", "ki", "su"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answer", "truth")


@pytest.mark.needs("matplotlib")
def test_the_red_of_a_mistake_is_its_share_of_its_class() -> None:
    (axes,) = draw_confusion(CONFUSION, ["o", "ki", "su"]).axes
    shares: Any = axes.images[-1].get_array()
    assert shares.count() == 2  # without the correct answers
    assert shares[1, 0] == 0.5
    assert shares[2, 0] == 0.1


@pytest.mark.needs("matplotlib")
def test_a_confusion_matrix_without_mistakes_or_without_images_is_drawn(tmp_path: Path) -> None:
    for matrix in (np.diag([3, 4]), np.zeros((2, 2), np.int64)):
        draw_confusion(matrix, ["a", "b"]).savefig(tmp_path / "a.png")


@pytest.mark.needs("matplotlib")
def test_a_matrix_of_many_classes_has_no_numbers() -> None:
    (axes,) = draw_confusion(np.eye(26, dtype=np.int64), [chr(ord("a") + place) for place in range(26)]).axes
    assert not axes.texts


@pytest.mark.parametrize(
    "draw",
    [
        lambda folder: save_png(folder / "a.png", IMAGES, ["a", "b", "c"]),
        lambda folder: draw_images(IMAGES, ["a", "b", "c"]),
        lambda folder: draw_confusion(CONFUSION, ["a", "b", "c"]),
    ],
    ids=["save_png", "draw_images", "draw_confusion"],
)
def test_without_matplotlib_the_extra_is_named(
    draw: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mnistlib-ml\[plots\]"'):
        draw(tmp_path)
