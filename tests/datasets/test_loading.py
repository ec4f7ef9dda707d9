import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mnistlib
from mnistlib import DataError, DatasetNotFoundError, DownloadError, IdxError, load_dataset
from mnistlib.datasets import fetch_dataset
from mnistlib.datasets.catalog import CATALOG, CatalogEntry

from .conftest import PUBLISHED, Mirror, make_arrays, write_files


def test_digits_are_all_1797_images_of_scikit_learn_spread_over_0_to_255() -> None:
    dataset = load_dataset("digits")
    assert len(dataset.train) + len(dataset.test) == 1797
    assert dataset.image_shape == (8, 8)
    assert dataset.train.images.dtype == np.uint8
    assert np.array_equal(np.unique(dataset.train.images), np.rint(np.arange(17) * 255 / 16))


def test_digits_are_split_alike_in_every_class() -> None:
    dataset = load_dataset("digits")
    share = np.bincount(dataset.test.labels) / (np.bincount(dataset.train.labels) + np.bincount(dataset.test.labels))
    assert np.all(np.abs(share - 0.2) < 0.01)


def test_the_split_of_the_digits_never_changes() -> None:
    assert load_dataset("digits").digests["test-labels"].startswith("6ff66f7ef309c514")


def test_a_folder_is_loaded_with_classes_named_by_their_labels(published: Path) -> None:
    dataset = load_dataset(published)
    assert np.array_equal(dataset.train.images, make_arrays()["train-images"])
    assert np.array_equal(dataset.test.labels, make_arrays()["test-labels"])
    assert dataset.classes == tuple("0123456789")
    assert dataset.name == str(published)


def test_both_loads_of_a_folder_are_equal_and_read_only(published: Path) -> None:
    first, second = load_dataset(str(published)), load_dataset(str(published))
    assert np.array_equal(first.train.images, second.train.images)
    assert first.digests == second.digests
    assert not first.train.images.flags.writeable
    assert not second.train.images.flags.writeable


def test_limit_keeps_the_first_images_of_each_split(published: Path) -> None:
    dataset = load_dataset(published, limit=12)
    assert (len(dataset.train), len(dataset.test)) == (12, 10)


@pytest.mark.parametrize("limit", [0, -1, 2.5, "3", True])
def test_an_invalid_limit_is_refused(limit: Any) -> None:
    with pytest.raises(DataError, match="at least 1"):
        load_dataset("digits", limit=limit)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DatasetNotFoundError, match=r"'minst' is neither .*digits, mnist, fashion-mnist, kmnist"):
        load_dataset("minst")


def test_a_name_too_long_for_a_folder_is_unknown() -> None:
    with pytest.raises(DatasetNotFoundError, match="nor a folder"):
        load_dataset("n" * 20_000)


def test_a_missing_folder_is_also_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_dataset(tmp_path / "absent")


@pytest.mark.parametrize(
    ("role", "array", "message"),
    [
        ("train_labels", np.zeros(29, np.uint8), "30 images but 29 labels"),
        ("test_images", np.zeros((10, 20), np.uint8), "images with 3 dimensions"),
        ("test_images", np.zeros((10, 5, 5), np.uint8), "4 x 5 but test images of 5 x 5"),
        ("train_images", np.zeros((30, 4, 5), np.float32), "unsigned bytes, found float32"),
        ("test_labels", np.full(10, 200, np.uint8), "test labels go up to 200"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    tmp_path: Path, role: str, array: np.ndarray, message: str
) -> None:
    write_files(tmp_path, PUBLISHED, **{role: array})
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


def test_a_damaged_file_is_an_idx_error_that_names_it(published: Path) -> None:
    path = published / f"{PUBLISHED['train-images']}.gz"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(IdxError, match="train-images-idx3-ubyte"):
        load_dataset(published)


def test_a_named_data_set_is_fetched_once(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path
) -> None:
    mirrors[0].serve(published)
    for _ in range(2):
        assert len(load_dataset(tiny.name, data_folder=tmp_path / "data").train) == 30
    assert len(mirrors[0].requests) == 4
    assert len(list((tmp_path / "data" / tiny.name).iterdir())) == 4


@pytest.mark.usefixtures("mirrors")
def test_without_download_nothing_is_asked_of_a_mirror(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], tmp_path: Path
) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"downloading is off.*--data-folder.*--dataset digits"):
        load_dataset(tiny.name, data_folder=tmp_path, download=False)
    assert mirrors[0].requests == mirrors[1].requests == []


def test_offline_every_mirror_is_named_and_nothing_is_substituted(tiny: CatalogEntry, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        load_dataset(tiny.name, data_folder=tmp_path)
    assert all(mirror in str(caught.value) for mirror in tiny.mirrors)


def test_the_data_folder_comes_from_the_argument_then_the_environment_then_the_platform(
    tiny: CatalogEntry, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Path(os.environ["XDG_DATA_HOME"], "mnistlib")
    shutil.copytree(published, platform / tiny.name)
    assert load_dataset(tiny.name, download=False).name == tiny.name
    monkeypatch.setenv("MNISTLIB_DATA", str(tmp_path / "none"))
    with pytest.raises(DatasetNotFoundError, match="none"):
        load_dataset(tiny.name, download=False)
    assert load_dataset(tiny.name, data_folder=platform, download=False).name == tiny.name


def test_the_folder_of_one_data_set_may_be_named_as_the_data_folder(tiny: CatalogEntry, published: Path) -> None:
    assert load_dataset(tiny.name, data_folder=published, download=False).name == tiny.name


def test_only_missing_files_are_fetched(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path
) -> None:
    shutil.copytree(published, tmp_path / tiny.name)
    (tmp_path / tiny.name / f"{PUBLISHED['test-labels']}.gz").unlink()
    mirrors[0].serve(published)
    load_dataset(tiny.name, data_folder=tmp_path)
    assert mirrors[0].requests == [f"/{PUBLISHED['test-labels']}.gz"]


def test_a_file_that_is_not_the_named_data_sets_is_refused_with_advice(tiny: CatalogEntry, tmp_path: Path) -> None:
    write_files(tmp_path / tiny.name, PUBLISHED, test_labels=np.ones(10, np.uint8))
    with pytest.raises(DataError, match=r"is not the test labels of tiny.*fetch --force tiny"):
        load_dataset(tiny.name, data_folder=tmp_path)


def test_files_compressed_anew_or_not_at_all_are_accepted(tiny: CatalogEntry, published: Path, tmp_path: Path) -> None:
    folder = tmp_path / tiny.name
    folder.mkdir()
    for number, path in enumerate(sorted(published.iterdir())):
        raw = gzip.decompress(path.read_bytes())
        if number % 2:
            (folder / path.stem).write_bytes(raw)
        else:
            (folder / path.name).write_bytes(gzip.compress(raw, compresslevel=1, mtime=99))
    assert len(load_dataset(tiny.name, data_folder=tmp_path, download=False).train) == 30


def test_an_uncompressed_file_is_accepted_where_no_digest_of_it_is_published(
    tiny: CatalogEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {role: type(file)(file.name, file.gzip_sha256) for role, file in tiny.files.items()}
    monkeypatch.setitem(CATALOG, "tiny", CatalogEntry("tiny", tiny.classes, files, tiny.mirrors))
    write_files(tmp_path / "tiny", PUBLISHED)
    assert len(load_dataset("tiny", data_folder=tmp_path).train) == 30


def test_a_read_only_folder_with_good_files_works(published: Path) -> None:
    for path in published.iterdir():
        path.chmod(0o444)
    published.chmod(0o555)
    try:
        names = sorted(path.name for path in published.iterdir())
        load_dataset(published)
        load_dataset(published)
        assert sorted(path.name for path in published.iterdir()) == names
    finally:
        published.chmod(0o755)


def test_fetch_gives_the_four_files_by_role(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path
) -> None:
    mirrors[0].serve(published)
    files = fetch_dataset(tiny.name, data_folder=tmp_path)
    assert {role: path.name for role, path in files.items()} == {role: f"{name}.gz" for role, name in PUBLISHED.items()}
    fetch_dataset(tiny.name, data_folder=tmp_path)
    assert len(mirrors[0].requests) == 4


def test_fetch_by_force_replaces_a_bad_file(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path
) -> None:
    mirrors[0].serve(published)
    bad = tmp_path / tiny.name / f"{PUBLISHED['train-images']}.gz"
    bad.parent.mkdir()
    bad.write_bytes(b"bad")
    fetch_dataset(tiny.name, data_folder=tmp_path, force=True)
    assert len(load_dataset(tiny.name, data_folder=tmp_path, download=False).train) == 30


@pytest.mark.parametrize(
    "bad", ["train-images.gz", "train-images-idx3-ubyte", "train-images.idx3-ubyte", "raw/train-images-idx3-ubyte.gz"]
)
@pytest.mark.parametrize("also_good", [False, True])
def test_fetch_by_force_replaces_a_bad_file_of_another_spelling(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path, *, bad: str, also_good: bool
) -> None:
    mirrors[0].serve(published)
    folder = tmp_path / tiny.name
    if also_good:
        shutil.copytree(published, folder)
    path = folder / bad
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"bad")
    (folder / "notes.txt").write_text("mine")
    fetch_dataset(tiny.name, data_folder=tmp_path, force=True)
    assert len(load_dataset(tiny.name, data_folder=tmp_path, download=False).train) == 30
    assert not path.exists()
    assert (folder / "notes.txt").exists()


def test_fetch_by_force_removes_nothing_that_it_could_not_replace(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path
) -> None:
    mirrors[0].serve(published)
    del mirrors[0].files[f"/{PUBLISHED['train-images']}.gz"]
    bad = tmp_path / tiny.name / "train-images.gz"
    bad.parent.mkdir()
    bad.write_bytes(b"bad")
    with pytest.raises(DownloadError):
        fetch_dataset(tiny.name, data_folder=tmp_path, force=True)
    assert bad.read_bytes() == b"bad"


def test_fetch_by_force_into_a_folder_with_other_data_sets_below_leaves_those_alone(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path
) -> None:
    mirrors[0].serve(published)
    write_files(tmp_path / "data" / "other", PUBLISHED)
    (tmp_path / "data" / "train-images.gz").write_bytes(b"bad")
    fetch_dataset(tiny.name, data_folder=tmp_path / "data", force=True)
    assert not (tmp_path / "data" / "train-images.gz").exists()
    assert len(list((tmp_path / "data" / "other").iterdir())) == 4


def test_there_is_nothing_to_fetch_for_digits() -> None:
    with pytest.raises(DataError, match="cannot download 'digits'"):
        fetch_dataset("digits")


def test_loading_from_the_cache_imports_neither_scikit_learn_nor_pooch(published: Path) -> None:
    code = (
        "import sys, mnistlib; mnistlib.load_dataset(sys.argv[1]); "
        "print(sorted({'sklearn', 'pooch', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(published)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.mnist
def test_the_real_mnist_loads_by_name_and_then_as_memory_maps(mnist_folder: Path) -> None:
    mnistlib.load_dataset("mnist", data_folder=mnist_folder.parent, download=False)
    dataset = mnistlib.load_dataset("mnist", data_folder=mnist_folder.parent, download=False)
    assert repr(dataset) == "Dataset('mnist': 60000 training and 10000 test images of 28 x 28, 10 classes)"
    assert isinstance(dataset.train.images, np.memmap)
    assert dataset.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert dataset.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
