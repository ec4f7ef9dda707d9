import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mnistlib import DataError
from mnistlib.datasets.cache import load_raw
from mnistlib.idx import write_idx

ARRAY = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "images.gz"
    write_idx(path, ARRAY)
    return path


@pytest.fixture
def cache() -> Path:
    return Path(os.environ["XDG_CACHE_HOME"], "mnistlib", "v1")


def raw_file(cache: Path) -> Path:
    (raw,) = (cache / "raw").iterdir()
    return raw


def note(cache: Path) -> Path:
    (seen,) = (cache / "seen").iterdir()
    return seen


def test_the_second_load_of_a_compressed_file_is_a_memory_map(source: Path, cache: Path) -> None:
    first, second = load_raw(source), load_raw(source)
    assert not isinstance(first.array, np.memmap)
    assert isinstance(second.array, np.memmap)
    assert np.array_equal(second.array, ARRAY)
    assert (second.raw_sha256, second.stored_sha256) == (first.raw_sha256, first.stored_sha256)
    assert raw_file(cache).name == f"{first.raw_sha256}.idx"


def test_an_uncompressed_file_is_mapped_where_it_lies(tmp_path: Path, cache: Path) -> None:
    write_idx(tmp_path / "images", ARRAY)
    load_raw(tmp_path / "images")
    assert isinstance(load_raw(tmp_path / "images").array, np.memmap)
    assert not (cache / "raw").exists()


def test_a_changed_file_is_read_again(source: Path) -> None:
    load_raw(source)
    write_idx(source, ARRAY + 1)
    os.utime(source, ns=(1, 1))
    assert np.array_equal(load_raw(source).array, ARRAY + 1)


def damage_delete_all(cache: Path) -> None:
    shutil.rmtree(cache)


def damage_delete_raw(cache: Path) -> None:
    raw_file(cache).unlink()


def damage_truncate_raw(cache: Path) -> None:
    raw_file(cache).write_bytes(raw_file(cache).read_bytes()[:-1])


def damage_change_a_byte_of_raw(cache: Path) -> None:
    content = bytearray(raw_file(cache).read_bytes())
    content[-1] ^= 1
    raw_file(cache).write_bytes(content)
    os.utime(raw_file(cache), ns=(1, 1))


def damage_truncate_note(cache: Path) -> None:
    note(cache).write_bytes(note(cache).read_bytes()[:-9])


def damage_note_of_another_version(cache: Path) -> None:
    content = json.loads(note(cache).read_bytes())
    note(cache).write_text(json.dumps({"version": 99, "content": content}))


def damage_note_is_no_object(cache: Path) -> None:
    note(cache).write_text("[1, 2]")


@pytest.mark.parametrize(
    "damage",
    [
        damage_delete_all,
        damage_delete_raw,
        damage_truncate_raw,
        damage_change_a_byte_of_raw,
        damage_truncate_note,
        damage_note_of_another_version,
        damage_note_is_no_object,
    ],
)
def test_a_damaged_cache_is_made_again(source: Path, cache: Path, damage: object) -> None:
    load_raw(source)
    assert callable(damage)
    damage(cache)
    assert np.array_equal(load_raw(source).array, ARRAY)
    again = load_raw(source).array
    assert isinstance(again, np.memmap)
    assert np.array_equal(again, ARRAY)


def test_two_files_with_the_same_content_share_raw_bytes(source: Path, cache: Path, tmp_path: Path) -> None:
    load_raw(source)
    written = raw_file(cache).stat().st_mtime_ns
    shutil.copy(source, tmp_path / "copy.gz")
    load_raw(tmp_path / "copy.gz")
    assert raw_file(cache).stat().st_mtime_ns == written
    assert isinstance(load_raw(source).array, np.memmap)


@pytest.fixture
def blocked_cache(cache: Path) -> Iterator[Path]:
    """A cache that can't be written, by root neither: a file stands where its folder should."""
    cache.parent.mkdir(parents=True)
    cache.write_text("in the way")
    yield cache
    cache.unlink()


@pytest.mark.usefixtures("blocked_cache")
def test_a_cache_that_can_not_be_written_costs_a_warning_only(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert np.array_equal(load_raw(source).array, ARRAY)
    assert "cannot cache" in caplog.text


def test_a_full_disk_under_the_cache_costs_a_warning_only(tmp_path: Path) -> None:
    write_idx(tmp_path / "big.gz", np.zeros((100, 28, 28), np.uint8))
    # A limit on file sizes stands for the full disk: a real error of a real write, in a process of its own.
    code = (
        "import resource, signal, sys; from pathlib import Path; from mnistlib.datasets.cache import load_raw\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "print(load_raw(Path(sys.argv[1])).array.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big.gz")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "(100, 28, 28)\n", done.stderr
    assert not list(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.part"))


def test_a_file_of_another_type_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path / "floats", np.zeros((2, 2, 2), np.float32))
    with pytest.raises(DataError, match="expected unsigned bytes, found float32"):
        load_raw(tmp_path / "floats")


def test_nothing_is_written_beside_the_source(source: Path) -> None:
    load_raw(source)
    load_raw(source)
    assert list(source.parent.iterdir()) == [source]
