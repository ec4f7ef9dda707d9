import pytest

from mnistlib.datasets.catalog import CATALOG, ROLES, CatalogEntry
from mnistlib.datasets.folder import SPELLINGS

ENTRIES = pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))


@ENTRIES
def test_every_entry_has_the_four_files_with_sha256_digests(entry: CatalogEntry) -> None:
    assert tuple(entry.files) == ROLES
    for file in entry.files.values():
        assert len(bytes.fromhex(file.gzip_sha256)) == 32
        assert file.raw_sha256 is None or len(bytes.fromhex(file.raw_sha256)) == 32


@ENTRIES
def test_every_mirror_is_https_and_names_a_folder(entry: CatalogEntry) -> None:
    assert entry.mirrors
    assert all(mirror.startswith("https://") and not mirror.endswith("/") for mirror in entry.mirrors)


@ENTRIES
def test_every_published_name_is_one_that_a_folder_is_searched_for(entry: CatalogEntry) -> None:
    assert all(file.name in SPELLINGS[role] for role, file in entry.files.items())


@ENTRIES
def test_every_entry_names_ten_different_classes(entry: CatalogEntry) -> None:
    assert len(set(entry.classes)) == 10


def test_no_digest_stands_twice() -> None:
    digests = [file.gzip_sha256 for entry in CATALOG.values() for file in entry.files.values()]
    assert len(set(digests)) == len(digests)
