"""Readiness checks for jobs in this process."""

import os

from mnistlib._distribution import DISTRIBUTION, install_command
from mnistlib.backends.checks import Package, Step, Wrong, is_writable, look_at_packages, runs_folder_step
from mnistlib.datasets import CATALOG, DIGITS, default_data_folder
from mnistlib.datasets.catalog import ROLES
from mnistlib.datasets.folder import find_files
from mnistlib.errors import DataError

#: Required packages, as in pyproject.toml.
PACKAGES = (
    Package(name="numpy", at_least="2.0"),
    Package(name="scikit-learn", at_least="1.6"),
    Package(name="joblib", at_least="1.4"),
)


def steps(*, runs_folder: str | os.PathLike[str] | None = None) -> list[Step]:
    """Return the checks, in order; the option is that of :class:`~mnistlib.LocalBackend`."""
    return [
        Step(name="packages", look=_look_at_packages),
        Step(name="data sets", look=_look_at_data_sets),
        runs_folder_step(runs_folder),
    ]


def _look_at_packages() -> str:
    return look_at_packages(PACKAGES, advice=f"Install the requirements of {DISTRIBUTION}: {install_command()}")


def _look_at_data_sets() -> str:
    folder = default_data_folder()
    try:
        complete = [name for name in CATALOG if len(find_files(folder / name)) == len(ROLES)]
    except DataError as error:
        raise Wrong(
            str(error), "Remove the duplicate files, or fetch the data set again: mnistlib fetch NAME"
        ) from error
    missing = [name for name in CATALOG if name not in complete]
    if missing and not is_writable(folder):
        raise Wrong(
            f"{', '.join(missing)} would be downloaded into {folder}, which can't be written to",
            f"Choose another folder with MNISTLIB_DATA, or use the data set without files: --dataset {DIGITS}",
        )
    here = f"{', '.join([DIGITS, *complete])} can be read"
    return f"{here}; {', '.join(missing)} would be downloaded into {folder}" if missing else here
