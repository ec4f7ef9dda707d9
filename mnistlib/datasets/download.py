"""Verified download of a file in the catalog, from the first mirror that delivers it."""

import hashlib
import logging
import sys
from pathlib import Path
from typing import BinaryIO

from mnistlib.datasets.cache import digest
from mnistlib.datasets.catalog import DIGITS, CatalogEntry, CatalogFile
from mnistlib.environment import MIRROR
from mnistlib.errors import DataError, DownloadError, IdxError
from mnistlib.files import publish
from mnistlib.idx import read_idx

_TIMEOUT = (10, 60)  # timeouts in seconds: connecting, and waiting for more data
_log = logging.getLogger("mnistlib")


def download(entry: CatalogEntry, file: CatalogFile, folder: Path) -> Path:
    """Download one file of a data set into a folder.

    The file is written under a temporary name and renamed after its digest is verified, so a file with the final name
    is always correct.

    Raises
    ------
    DownloadError
        If no mirror delivered the file, with the error of each mirror, or if the file cannot be stored.
    """
    # Imported here, since pooch and requests are slow to import and only a download needs them.
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
            raise DownloadError(f"cannot store {target}: {error.strerror or error}") from error
        else:
            return target
    raise DownloadError(
        f"could not download {file.name} of {entry.name}: {'; '.join(failures)}. Set {MIRROR.name} to a reachable "
        f"mirror, put the four files into a folder and pass it with --data-folder, or use the data set that needs no "
        f"files: --dataset {DIGITS}"
    )


def verify(stored: BinaryIO, file: CatalogFile) -> None:
    """Check a downloaded file by the digest of the stored or, if compressed again, of the uncompressed bytes.

    Raises
    ------
    DataError
        If no digest matches.
    """
    stored.seek(0)
    stored_sha256 = hashlib.sha256(stored.read()).hexdigest()
    if stored_sha256 == file.gzip_sha256:
        return
    stored.seek(0)
    try:
        raw_sha256 = digest(read_idx(stored))
    except IdxError as error:
        raise DataError(f"expected SHA-256 {file.gzip_sha256}, found {stored_sha256}, not IDX: {error}") from error
    if raw_sha256 != file.raw_sha256:
        raise DataError(f"expected SHA-256 {file.gzip_sha256}, found {stored_sha256}: the file is another one")


def _addresses(entry: CatalogEntry, file: CatalogFile) -> list[str]:
    mirror = MIRROR.get().rstrip("/")
    # The variable applies to all data sets: the mirror may hold the files of one, or a folder for each.
    own = [f"{mirror}/{file.name}", f"{mirror}/{entry.name}/{file.name}"] if mirror else []
    return own + [f"{published}/{file.name}" for published in entry.mirrors]
