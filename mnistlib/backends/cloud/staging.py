"""What is shipped to a cluster: this package, ``job.json`` and, of a script, its source folder.

Nothing else, whatever the current folder holds: a node needs the same source as this process, byte for byte, and an
unchanged job gives unchanged files, which a cluster does not need to be sent again. The package is one archive, which
Python imports from as it is: a hundred files would be two hundred requests.
"""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnistlib.errors import JobError
from mnistlib.jobs import Job
from mnistlib.jobs.source import SOURCE, reading
from mnistlib.package import PACKAGE, package
from mnistlib.runs.store import JOB_FILE

_NAMED = 5  # of the biggest files, in the error


@dataclass(frozen=True, kw_only=True)
class ShippingRules:
    """Rules of a cluster for the files that are sent with a job.

    Attributes
    ----------
    ignore_files : sequence of str
        Names of files, with patterns as in ``.gitignore``, that say which files of a script's source folder are left
        out. The first of them that the folder has counts.
    most_bytes, most_files : float
        Limits of what is sent with one job.
    """

    ignore_files: Sequence[str] = (".gitignore",)
    most_bytes: float = math.inf
    most_files: float = math.inf


@dataclass(frozen=True)
class Shipment:
    """Files for a node.

    Attributes
    ----------
    files : mapping of str to Path or bytes
        What each name, with forward slashes, holds.
    """

    files: Mapping[str, Path | bytes]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file; of one that has gone since, none."""
        sizes = {}
        for name, content in self.files.items():
            with reading():
                sizes[name] = len(content) if isinstance(content, bytes) else content.stat().st_size
        return sizes

    def write(self, folder: Path) -> None:
        """Put the files into an empty folder, but for those that have gone since.

        Raises
        ------
        JobError
            If one may not be read.
        """
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                with reading():
                    shutil.copyfile(content, path)


def stage(job: Job, *, rules: ShippingRules = ShippingRules(), runs_folder: Path | None = None) -> Shipment:
    """Return what a node needs to run a job.

    A script's environment variables are left out of its ``job.json``, which is kept among the run's files: they may be
    secrets. The cluster keeps them with what was submitted, for whoever may read the workspace.

    Parameters
    ----------
    job : Job
        What is to be run.
    rules : ShippingRules, optional
        Rules of the cluster. Default: no limits.
    runs_folder : Path, optional
        Where the backend keeps runs, which are no part of a script's source folder.

    Raises
    ------
    JobError
        If a script's source folder is not there, can't be read, leaves out the script, or is larger than the
        rules allow; the biggest files are named.
    """
    files: dict[str, Path | bytes] = {PACKAGE: package()}
    files |= job.files_elsewhere(runs_folder, rules.ignore_files)
    files[JOB_FILE] = json.dumps(job.content_elsewhere(), indent=2).encode()
    shipment = Shipment(files)
    _require_small(shipment, rules)
    return shipment


def _require_small(shipment: Shipment, rules: ShippingRules) -> None:
    sizes = shipment.sizes
    total = sum(sizes.values())
    if total <= rules.most_bytes and len(sizes) <= rules.most_files:
        return
    biggest = sorted(sizes, key=lambda name: -sizes[name])[:_NAMED]
    raise JobError(
        f"{len(sizes):,} files of {total / 1e6:,.0f} MB are too much to ship: at most {rules.most_files:,} files and "
        f"{rules.most_bytes / 2**20:,.0f} MB. The biggest: "
        + ", ".join(f"{name.removeprefix(f'{SOURCE}/')} ({sizes[name] / 1e6:,.1f} MB)" for name in biggest)
        + f". Leave out what the script does not need with a file {rules.ignore_files[0]} in its source folder"
    )
