"""Detection of the four files of a data set in a folder, at any depth and under any usual name."""

import os
from pathlib import Path

from mnistlib.datasets.catalog import ROLES
from mnistlib.errors import DataError, DatasetNotFoundError

# Names as published, as unpacked by 7-Zip and by Kaggle, and as saved by an older tutorial.
_STEMS = {
    "train-images": ("train-images",),
    "train-labels": ("train-labels",),
    "test-images": ("t10k-images", "test-images"),
    "test-labels": ("t10k-labels", "test-labels"),
}
_RANK = {"images": "idx3-ubyte", "labels": "idx1-ubyte"}


def _spellings(role: str) -> tuple[str, ...]:
    rank = _RANK[role.partition("-")[2]]
    return tuple(
        f"{stem}{ending}{suffix}"
        for stem in _STEMS[role]
        for ending in (f"-{rank}", f".{rank}", "")
        for suffix in ("", ".gz")
    )


#: Possible file names of each role.
SPELLINGS = {role: _spellings(role) for role in ROLES}
_ROLE_OF_NAME = {name: role for role, names in SPELLINGS.items() for name in names}


def holds_files(folder: Path) -> bool:
    """Return whether a folder directly contains a file of a data set."""
    return folder.is_dir() and any(path.name in _ROLE_OF_NAME and path.is_file() for path in folder.iterdir())


def find_candidates(folder: Path) -> dict[str, list[Path]]:
    """Return all candidate files of each role, sorted; roles without candidates are omitted.

    Parameters
    ----------
    folder : Path
        Folder to search at any depth. Links to subfolders are not followed.
    """
    candidates: dict[str, list[Path]] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if name in _ROLE_OF_NAME and path.is_file():
                candidates.setdefault(_ROLE_OF_NAME[name], []).append(path)
    return {role: sorted(paths) for role, paths in candidates.items()}


def find_files(folder: Path) -> dict[str, Path]:
    """Return the files of a data set by role; missing roles are omitted.

    Parameters
    ----------
    folder : Path
        Folder to search at any depth. Links to subfolders are not followed.

    Raises
    ------
    DataError
        If several files have the same role.
    """
    found = find_candidates(folder)
    for role, paths in found.items():
        if len(paths) > 1:
            raise DataError(
                f"{folder}: {len(paths)} files could be the {role.replace('-', ' ')}: "
                f"{', '.join(str(path.relative_to(folder)) for path in paths)}. "
                "Keep one of them, or pass the folder that contains only one data set"
            )
    return {role: paths[0] for role, paths in found.items()}


def require_files(folder: Path) -> dict[str, Path]:
    """Return all four files of a data set by role.

    Raises
    ------
    DatasetNotFoundError
        If a file is missing; the message lists the expected names.
    DataError
        If several files have the same role.
    """
    if not folder.is_dir():
        raise DatasetNotFoundError(f"{folder} is not a folder")
    found = find_files(folder)
    missing = [role for role in ROLES if role not in found]
    if missing:
        wanted = "; ".join(f"the {role.replace('-', ' ')} as {', '.join(SPELLINGS[role])}" for role in missing)
        raise DatasetNotFoundError(f"files of a data set are missing in {folder} and its subfolders: expected {wanted}")
    return found
