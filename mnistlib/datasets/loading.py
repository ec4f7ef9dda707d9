"""Loading of a data set by name or from a folder."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from mnistlib.datasets.cache import RawFile, digest, load_raw
from mnistlib.datasets.catalog import CATALOG, DIGITS, NAMES, ROLES, CatalogEntry
from mnistlib.datasets.dataset import Dataset, Split
from mnistlib.datasets.download import download
from mnistlib.datasets.folder import find_candidates, find_files, holds_files, require_files
from mnistlib.environment import DATA
from mnistlib.errors import DataError, DatasetNotFoundError


def load_dataset(
    name_or_folder: str | os.PathLike[str],
    *,
    limit: int | None = None,
    data_folder: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Dataset:
    """Load labelled images.

    Parameters
    ----------
    name_or_folder : str or PathLike
        ``"digits"`` (1,797 images of 8 x 8 that come with scikit-learn; needs no files), ``"mnist"``,
        ``"fashion-mnist"``, ``"kmnist"``, or a folder with four IDX files, at any depth, plain or gzip, under their
        usual names.
    limit : int, optional
        Maximum number of images of each split; the first ones are kept.
    data_folder : str or PathLike, optional
        Folder with a subfolder for each named data set, or the four files themselves. Default: the environment
        variable ``MNISTLIB_DATA``, else the platform's data folder.
    download : bool, default True
        Whether to download files of a named data set that are not in the data folder.

    Returns
    -------
    Dataset
        uint8 images of shape (n, rows, columns) and uint8 labels of shape (n,), read-only; memory maps from the second
        load on.

    Raises
    ------
    DatasetNotFoundError
        If files are missing; the message lists the expected names and the folder.
    DownloadError
        If files could not be downloaded; the message lists the error of each mirror.
    DataError
        If the files are inconsistent, or have other digests than the named data set.
    IdxError
        If a file is damaged.

    Examples
    --------
    >>> import mnistlib
    >>> mnistlib.load_dataset("digits")
    Dataset('digits': 1442 training and 355 test images of 8 x 8, 10 classes)
    """
    _require_count(limit)
    if name_or_folder == DIGITS:
        dataset = _load_digits()
    elif name_or_folder in CATALOG:
        entry = CATALOG[str(name_or_folder)]
        dataset = _load_named(entry, _files_of(entry, data_folder, may_download=download))
    else:
        dataset = _load_folder(name_or_folder)
    return dataset if limit is None else dataset.head(limit)


def fetch_dataset(
    name: str, *, data_folder: str | os.PathLike[str] | None = None, force: bool = False, download: bool = True
) -> dict[str, Path]:
    """Download the missing files of a named data set.

    Parameters
    ----------
    name : str
        A name from the catalog.
    data_folder : str or PathLike, optional
        As for :func:`load_dataset`.
    force : bool, default False
        Download every file again, and replace the existing file after the new one is verified. Other files of the same
        role, under another name or in a subfolder, are then deleted, since two files of one role are ambiguous. If
        `data_folder` itself contains the files, its subfolders are not changed, because they may belong to another
        data set.
    download : bool, default True
        If False, only return the paths of the files.

    Returns
    -------
    dict of str to Path
        The four files by role.

    Raises
    ------
    DownloadError
        If no mirror delivered a file.
    DatasetNotFoundError
        If a file is missing and `download` is False.
    DataError
        If the name is unknown, or the data set needs no files.
    """
    if name not in CATALOG:
        raise DataError(f"cannot download {name!r}: expected one of {', '.join(CATALOG)}")
    return _files_of(CATALOG[name], data_folder, may_download=download, force=force)


def _require_count(limit: Any) -> None:
    """Refuse an invalid limit, also a bool, which is an int in Python."""
    if limit is not None and (not isinstance(limit, int | np.integer) or isinstance(limit, bool) or limit < 1):
        raise DataError(f"limit must be a whole number, at least 1, not {limit!r}")


def default_data_folder() -> Path:
    """Return the default folder for data: ``MNISTLIB_DATA``, else the platform's data folder."""
    named = DATA.get()
    if named:
        return Path(named).expanduser()
    import platformdirs  # imported here, since it takes 14 ms and only loading needs it

    return platformdirs.user_data_path("mnistlib")


def _files_of(
    entry: CatalogEntry, data_folder: str | os.PathLike[str] | None, *, may_download: bool, force: bool = False
) -> dict[str, Path]:
    parent = default_data_folder() if data_folder is None else Path(data_folder).expanduser()
    folder = parent / entry.name
    if not folder.is_dir() and holds_files(parent):
        folder = parent  # the given folder contains the files of this data set
    found = {} if force else find_files(folder)
    missing = [role for role in ROLES if role not in found]
    if missing and not may_download:
        raise DatasetNotFoundError(
            f"{', '.join(entry.files[role].name for role in missing)} missing in {folder}, and downloading is off. "
            f"Pass another folder with --data-folder (or {DATA.name}), run: mnistlib fetch {entry.name}, "
            f"or use the data set that needs no files: --dataset {DIGITS}"
        )
    for role in missing:
        found[role] = download(entry, entry.files[role], folder)
        if force:
            _remove_others(role, found[role], own=folder != parent)
    return found


def _remove_others(role: str, good: Path, *, own: bool) -> None:
    """Delete other files of a downloaded file's role, also in subfolders if the folder is the data set's own."""
    for path in find_candidates(good.parent)[role]:
        if path != good and (own or path.parent == good.parent):
            path.unlink()


def _load_named(entry: CatalogEntry, paths: dict[str, Path]) -> Dataset:
    raw = {role: load_raw(paths[role]) for role in ROLES}
    for role, loaded in raw.items():
        _check_identity(entry, role, paths[role], loaded)
    return _assemble(entry.name, raw, entry.classes)


def _check_identity(entry: CatalogEntry, role: str, path: Path, loaded: RawFile) -> None:
    expected = entry.files[role]
    if loaded.stored_sha256 == expected.gzip_sha256 or loaded.raw_sha256 == expected.raw_sha256:
        return
    if expected.raw_sha256 is None and loaded.stored_sha256 == loaded.raw_sha256:
        return  # the file is uncompressed, and no digest of the uncompressed bytes is published
    raise DataError(
        f"{path} is not the {role.replace('-', ' ')} of {entry.name}: found SHA-256 {loaded.stored_sha256} "
        f"(uncompressed: {loaded.raw_sha256}), expected {expected.gzip_sha256}"
        f"{f' (uncompressed: {expected.raw_sha256})' if expected.raw_sha256 else ''}. "
        f"Run: mnistlib fetch --force {entry.name}, or load the folder as a data set of its own: {path.parent}"
    )


def _load_folder(name_or_folder: str | os.PathLike[str]) -> Dataset:
    folder = Path(name_or_folder).expanduser()
    if not os.path.exists(folder):  # noqa: PTH110 - unlike Path.exists, returns False for a name that is too long
        raise DatasetNotFoundError(
            f"{os.fspath(name_or_folder)!r} is neither a named data set ({', '.join(NAMES)}) nor a folder"
        )
    raw = {role: load_raw(path) for role, path in sorted(require_files(folder).items())}
    labels = raw["train-labels"].array
    classes = tuple(str(label) for label in range(int(labels.max()) + 1)) if labels.size else ()
    return _assemble(str(folder), raw, classes)


def _assemble(name: str, raw: dict[str, RawFile], classes: tuple[str, ...]) -> Dataset:
    splits = {}
    for which in ("train", "test"):
        try:
            splits[which] = Split(raw[f"{which}-images"].array, raw[f"{which}-labels"].array)
        except DataError as error:
            raise DataError(f"{name}, {which} files: {error}") from error
    digests = {role: raw[role].raw_sha256 for role in ROLES}
    return Dataset(name, splits["train"], splits["test"], classes, digests)


def _load_digits() -> Dataset:
    """Return scikit-learn's digits, scaled from 0..16 to 0..255; every fifth image of a class is a test image."""
    from sklearn.datasets import load_digits  # imported here, since it takes 0.6 s and only this data set needs it

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.uint8)
    order_in_class = np.empty(len(labels), int)
    for label in range(10):
        order_in_class[labels == label] = np.arange(np.count_nonzero(labels == label))
    held_out = order_in_class % 5 == 4
    parts = {
        "train-images": images[~held_out],
        "train-labels": labels[~held_out],
        "test-images": images[held_out],
        "test-labels": labels[held_out],
    }
    raw = {role: RawFile(array, digest(array), "") for role, array in parts.items()}
    return _assemble(DIGITS, raw, tuple("0123456789"))
