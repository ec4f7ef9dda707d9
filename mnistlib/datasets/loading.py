"""Load a data set by name or from a folder."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from mnistlib.datasets.cache import RawFile, digest, load_raw
from mnistlib.datasets.catalog import CATALOG, DIGITS, NAMES, ROLES, CatalogEntry
from mnistlib.datasets.dataset import Dataset, Split
from mnistlib.datasets.download import download
from mnistlib.datasets.folder import find_candidates, find_files, holds_files, require_files
from mnistlib.errors import DataError, DatasetNotFoundError

#: Folder with a subfolder for each data set.
DATA_VARIABLE = "MNISTLIB_DATA"


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
        ``"fashion-mnist"``, ``"kmnist"``, or a folder that holds four IDX files, at any depth, plain or gzip, under
        any of the names they usually have.
    limit : int, optional
        Keep at most this many images of each split, the first ones.
    data_folder : str or PathLike, optional
        Folder with a subfolder for each named data set, or the four files themselves. Default: the environment
        variable ``MNISTLIB_DATA``, else the platform's data folder.
    download : bool, default True
        Whether to fetch files of a named data set that are not in the data folder.

    Returns
    -------
    Dataset
        uint8 images of shape (n, rows, columns) and uint8 labels of shape (n,), read-only. Memory maps, from the
        second load on.

    Raises
    ------
    DatasetNotFoundError
        If files are missing, listing what was looked for and where.
    DownloadError
        If they could not be fetched, saying what failed at each mirror.
    DataError
        If the files contradict each other, or are not the named data set's.
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
    """Download the files of a named data set that are not there yet.

    Parameters
    ----------
    name : str
        A name from the catalog.
    data_folder : str or PathLike, optional
        As for :func:`load_dataset`.
    force : bool, default False
        Fetch every file anew, and replace what is there once the new one is good. What plays the same role under
        another name, or in a folder below, is then removed: two files for one role could not be loaded. Where
        `data_folder` is not the parent of the data set's own folder but holds files itself, those in folders below
        it stay, for they may be another data set's.
    download : bool, default True
        Without it, only say where the files are.

    Returns
    -------
    dict of str to Path
        The four files by role.

    Raises
    ------
    DownloadError
        If no mirror delivered a file.
    DatasetNotFoundError
        If one is not there and may not be downloaded.
    DataError
        If the name is unknown or needs no files.
    """
    if name not in CATALOG:
        raise DataError(f"there is nothing to fetch for {name!r}: expected one of {', '.join(CATALOG)}")
    return _files_of(CATALOG[name], data_folder, may_download=download, force=force)


def _require_count(limit: Any) -> None:
    """Refuse a limit that is none; True is a whole number to Python."""
    if limit is not None and (not isinstance(limit, int | np.integer) or isinstance(limit, bool) or limit < 1):
        raise DataError(f"limit must be a whole number, at least 1, not {limit!r}")


def default_data_folder() -> Path:
    """Return the folder for data where none is named: ``MNISTLIB_DATA``, else the platform's own."""
    named = os.environ.get(DATA_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs  # 14 ms, and only loading needs it

    return platformdirs.user_data_path("mnistlib")


def _files_of(
    entry: CatalogEntry, data_folder: str | os.PathLike[str] | None, *, may_download: bool, force: bool = False
) -> dict[str, Path]:
    parent = default_data_folder() if data_folder is None else Path(data_folder).expanduser()
    folder = parent / entry.name
    if not folder.is_dir() and holds_files(parent):
        folder = parent  # the folder of this one data set was named
    found = {} if force else find_files(folder)
    missing = [role for role in ROLES if role not in found]
    if missing and not may_download:
        raise DatasetNotFoundError(
            f"{folder} lacks {', '.join(entry.files[role].name for role in missing)}, and downloading is off. "
            f"Name another folder with --data-folder (or {DATA_VARIABLE}), run: mnistlib fetch {entry.name}, "
            f"or use the data set that needs no files: --dataset {DIGITS}"
        )
    for role in missing:
        found[role] = download(entry, entry.files[role], folder)
        if force:
            _remove_others(role, found[role], own=folder != parent)
    return found


def _remove_others(role: str, good: Path, *, own: bool) -> None:
    """Remove what could be taken for a file just fetched; below its folder too, where that is the data set's own."""
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
        return  # uncompressed, and nobody publishes a digest of that
    raise DataError(
        f"{path} is not the {role.replace('-', ' ')} of {entry.name}: its SHA-256 is {loaded.stored_sha256}, "
        f"of what is inside {loaded.raw_sha256}; expected {expected.gzip_sha256}"
        f"{f' or inside {expected.raw_sha256}' if expected.raw_sha256 else ''}. "
        f"Run: mnistlib fetch --force {entry.name}, or load the folder as a data set of its own: {path.parent}"
    )


def _load_folder(name_or_folder: str | os.PathLike[str]) -> Dataset:
    folder = Path(name_or_folder).expanduser()
    if not os.path.exists(folder):  # noqa: PTH110 - unlike Path.exists it says no to a name that is too long
        raise DatasetNotFoundError(
            f"{os.fspath(name_or_folder)!r} is neither a data set known by name ({', '.join(NAMES)}) nor a folder"
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
    """Return scikit-learn's digits, brightness 0 to 16 spread over 0 to 255, every fifth of a class for testing."""
    from sklearn.datasets import load_digits  # 0.6 s: only this data set needs it

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
