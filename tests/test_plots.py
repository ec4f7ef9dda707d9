import sys
from pathlib import Path

import numpy as np
import pytest

from mnistlib import MissingExtraError
from mnistlib.plots import draw_text, save_png

IMAGES = np.zeros((3, 4, 8), np.uint8)
IMAGES[:, 0] = 255


def test_two_rows_of_pixels_make_one_line_above_the_caption() -> None:
    assert draw_text(IMAGES[:1], ["seven"]) == "▀▀▀▀▀▀▀▀\n\nseven\n"


def test_images_stand_side_by_side_as_far_as_the_terminal_is_wide() -> None:
    lines = draw_text(IMAGES, ["a", "b", "c"], width=18).splitlines()
    assert [line.split() for line in lines] == [["▀" * 8, "▀" * 8], [], ["a", "b"], ["▀" * 8], [], ["c"]]


def test_an_odd_number_of_rows_is_drawn() -> None:
    assert draw_text(np.full((1, 3, 2), 255, np.uint8), [""]) == "██\n▀▀\n\n"


def test_nothing_is_drawn_of_no_images() -> None:
    assert draw_text(IMAGES[:0], []) == ""


def test_a_png_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    save_png(tmp_path / "a.png", IMAGES, ["a", "b", "c"])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mnistlib\[plots\]"'):
        save_png(tmp_path / "a.png", IMAGES, ["a", "b", "c"])
