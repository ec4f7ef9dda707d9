import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from mnistlib import DownloadError
from mnistlib.datasets.catalog import CatalogEntry
from mnistlib.datasets.download import download

from .conftest import PUBLISHED, Mirror

NAME = f"{PUBLISHED['train-images']}.gz"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tiny"


def fetch(entry: CatalogEntry, target: Path) -> Path:
    return download(entry, entry.files["train-images"], target)


def test_a_file_comes_from_the_first_mirror(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    mirrors[0].serve(published)
    assert fetch(tiny, target).read_bytes() == (published / NAME).read_bytes()
    assert (mirrors[0].requests, mirrors[1].requests) == ([f"/{NAME}"], [])


def test_the_next_mirror_is_tried_when_one_has_nothing(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    mirrors[1].serve(published)
    assert fetch(tiny, target).read_bytes() == (published / NAME).read_bytes()
    assert len(mirrors[0].requests) == len(mirrors[1].requests) == 1


def test_the_next_mirror_is_tried_when_one_serves_garbage(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    mirrors[0].files[f"/{NAME}"] = b"<html>This host has moved</html>"
    mirrors[1].serve(published)
    assert fetch(tiny, target).read_bytes() == (published / NAME).read_bytes()


def test_the_next_mirror_is_tried_when_one_breaks_off_half_way(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    mirrors[0].serve(published)
    mirrors[0].cut_after[f"/{NAME}"] = 100
    mirrors[1].serve(published)
    assert fetch(tiny, target).read_bytes() == (published / NAME).read_bytes()


def test_a_mirror_named_in_the_environment_is_tried_first(
    tiny: CatalogEntry,
    mirrors: tuple[Mirror, Mirror],
    published: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirrors[0].serve(published)
    mirrors[1].serve(published, "/own")
    monkeypatch.setenv("MNISTLIB_MIRROR", f"{mirrors[1].url}/own/")
    fetch(tiny, target)
    assert (mirrors[0].requests, mirrors[1].requests) == ([], [f"/own/{NAME}"])


def test_a_mirror_in_the_environment_may_hold_a_folder_for_each_data_set(
    tiny: CatalogEntry,
    mirrors: tuple[Mirror, Mirror],
    published: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirrors[1].serve(published, "/tiny")
    monkeypatch.setenv("MNISTLIB_MIRROR", mirrors[1].url)
    fetch(tiny, target)
    assert mirrors[1].requests == [f"/{NAME}", f"/tiny/{NAME}"]


def test_a_file_compressed_again_is_accepted_by_its_uncompressed_digest(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    anew = gzip.compress(gzip.decompress((published / NAME).read_bytes()), compresslevel=1, mtime=12345)
    mirrors[0].files[f"/{NAME}"] = anew
    assert fetch(tiny, target).read_bytes() == anew


def test_when_all_mirrors_fail_each_is_named_with_its_reason_and_nothing_is_left(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    other = (published / f"{PUBLISHED['test-images']}.gz").read_bytes()
    mirrors[0].files[f"/{NAME}"] = other
    with pytest.raises(DownloadError) as caught:
        fetch(tiny, target)
    message = str(caught.value)
    assert f"{mirrors[0].url}/{NAME}: expected SHA-256" in message
    assert f"{mirrors[1].url}/{NAME}: 404" in message
    assert "--dataset digits" in message
    assert "--data-folder" in message
    assert list(target.iterdir()) == []


def test_a_host_that_does_not_answer_is_named(tiny: CatalogEntry, target: Path) -> None:
    entry = CatalogEntry(
        "tiny", tiny.classes, tiny.files, ("http://127.0.0.1:9",)
    )  # the discard port, without a server
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/\S+: .*refused"):
        fetch(entry, target)


def test_a_full_disk_is_named_and_no_other_mirror_is_tried(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    mirrors[0].serve(published)
    mirrors[1].serve(published)
    # A limit on file sizes stands for the full disk: a real error of a real write, in a process of its own.
    code = f"""
import resource, signal
from pathlib import Path
from mnistlib import DownloadError
from mnistlib.datasets.catalog import CatalogEntry, CatalogFile
from mnistlib.datasets.download import download
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    download({tiny!r}, {tiny.files["train-images"]!r}, Path({str(target)!r}))
except DownloadError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"cannot store {target / NAME}: File too large"), done
    assert list(target.iterdir()) == []
    assert mirrors[1].requests == []


def test_a_folder_that_can_not_be_made_is_named(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, tmp_path: Path
) -> None:
    mirrors[0].serve(published)
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot store"):
        fetch(tiny, tmp_path / "file" / "tiny")


def test_a_good_file_is_not_lost_when_fetching_it_again_fails(
    tiny: CatalogEntry, mirrors: tuple[Mirror, Mirror], published: Path, target: Path
) -> None:
    mirrors[0].serve(published)
    fetch(tiny, target)
    mirrors[0].files[f"/{NAME}"] = b"garbage"
    with pytest.raises(DownloadError):
        fetch(tiny, target)
    assert (target / NAME).read_bytes() == (published / NAME).read_bytes()
