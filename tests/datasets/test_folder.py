from pathlib import Path

import pytest

from mnistlib import DataError, DatasetNotFoundError
from mnistlib.datasets.folder import find_files, holds_files, require_files

from .conftest import PUBLISHED, write_files

UNPACKED = {role: name.replace("-idx", ".idx") for role, name in PUBLISHED.items()}
TUTORIAL = {role: f"{role}.gz" for role in PUBLISHED}


@pytest.mark.parametrize(
    "names",
    [PUBLISHED, {role: f"{name}.gz" for role, name in PUBLISHED.items()}, UNPACKED, TUTORIAL],
    ids=["published", "gzip", "unpacked", "tutorial"],
)
def test_files_are_found_under_every_spelling_in_use(tmp_path: Path, names: dict[str, str]) -> None:
    write_files(tmp_path, names)
    assert require_files(tmp_path) == {role: tmp_path / name for role, name in names.items()}


def test_files_are_found_at_any_depth_each_in_its_own_folder(tmp_path: Path) -> None:
    nested = {role: f"a/{name}/b/{name}" for role, name in PUBLISHED.items()}
    write_files(tmp_path, nested)
    assert require_files(tmp_path) == {role: tmp_path / name for role, name in nested.items()}


def test_two_candidates_are_refused_by_name(tmp_path: Path) -> None:
    write_files(tmp_path, PUBLISHED)
    write_files(tmp_path, {"train-images": "old/train-images-idx3-ubyte.gz"})
    with pytest.raises(
        DataError, match=r"2 files could be the train images: old/train-im\S+, train-images-idx3-ubyte\."
    ):
        find_files(tmp_path)


def test_a_missing_file_is_named_with_all_its_spellings_and_the_folder(tmp_path: Path) -> None:
    write_files(tmp_path, {role: name for role, name in PUBLISHED.items() if role != "test-labels"})
    with pytest.raises(DatasetNotFoundError) as caught:
        require_files(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    for spelling in ("t10k-labels-idx1-ubyte.gz", "t10k-labels.idx1-ubyte", "test-labels.gz"):
        assert spelling in message
    assert "train-images" not in message


def test_a_path_that_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="is not a folder"):
        require_files(tmp_path / "absent")


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write_files(tmp_path, PUBLISHED)
    for name in ("._train-images-idx3-ubyte", "train-images-idx3-ubyte.part", "README", "train-images.png"):
        (tmp_path / name).write_bytes(b"?")
    assert len(require_files(tmp_path)) == 4


def test_a_folder_holds_files_only_itself(tmp_path: Path) -> None:
    write_files(tmp_path / "below", PUBLISHED)
    assert holds_files(tmp_path / "below")
    assert not holds_files(tmp_path)
    assert not holds_files(tmp_path / "absent")
