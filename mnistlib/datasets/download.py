"""Download a catalogued file: mirrors in order, verified, then published."""

import hashlib
import logging
import os
import sys
from pathlib import Path
from typing import BinaryIO

from mnistlib.datasets.cache import digest
from mnistlib.datasets.catalog import DIGITS, CatalogEntry, CatalogFile
from mnistlib.errors import DataError, DownloadError, IdxError
from mnistlib.files import publish
from mnistlib.idx import read_idx

#: Address of a folder that is tried before the published mirrors.
MIRROR_VARIABLE = "MNISTLIB_MIRROR"

_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of an answer
_log = logging.getLogger("mnistlib")


def download(entry: CatalogEntry, file: CatalogFile, folder: Path) -> Path:
    """Fetch one file of a data set into a folder.

    The file is written under a temporary name and gets its own only when its digest is right, so what is there
    under its name is good.

    Raises
    ------
    DownloadError
        If no mirror delivered it, saying what went wrong at each, or if it can't be stored.
    """
    # pooch brings requests, and both take their time to import; only a download needs them.
    import pooch
    import requests

    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=_TIMEOUT)
    target = folder / file.name
    failures = []
    for url in _addresses(entry, file):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with publish(target) as part:
                fetch(url, part, None)
                verify(part, file)
        except (requests.RequestException, DataError) as error:
            failures.append(f"{url}: {error}")
            _log.info("trying the next mirror after %s: %s", url, error)
        except OSError as error:
            raise DownloadError(f"can't store {target}: {error.strerror or error}") from error
        else:
            return target
    raise DownloadError(
        f"could not download {file.name} of {entry.name}: {'; '.join(failures)}. Name a mirror that you can reach "
        f"in {MIRROR_VARIABLE}, put the four files into a folder and name it with --data-folder, or use the data "
        f"set that needs no files: --dataset {DIGITS}"
    )


def verify(stored: BinaryIO, file: CatalogFile) -> None:
    """Check a downloaded file against its digests: as it is stored or, compressed anew, by what is inside.

    Raises
    ------
    DataError
        If it is another file.
    """
    stored.seek(0)
    stored_sha256 = hashlib.sha256(stored.read()).hexdigest()
    if stored_sha256 == file.gzip_sha256:
        return
    stored.seek(0)
    try:
        raw_sha256 = digest(read_idx(stored))
    except IdxError as error:
        raise DataError(f"expected SHA-256 {file.gzip_sha256}, found {stored_sha256}, not even IDX: {error}") from error
    if raw_sha256 != file.raw_sha256:
        raise DataError(f"expected SHA-256 {file.gzip_sha256}, found {stored_sha256}: it is another file")


def _addresses(entry: CatalogEntry, file: CatalogFile) -> list[str]:
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    # One variable serves every data set: the mirror may hold the files of one, or a folder for each.
    own = [f"{mirror}/{file.name}", f"{mirror}/{entry.name}/{file.name}"] if mirror else []
    return own + [f"{published}/{file.name}" for published in entry.mirrors]
