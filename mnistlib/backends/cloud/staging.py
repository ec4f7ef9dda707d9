"""Files sent to a cluster: this package, ``job.json`` and, for a script, its source folder.

No other file of the current folder is sent. The node gets the same source as this process, byte for byte, and an
unchanged job has unchanged files, which need not be sent again. The package is one archive, from which Python imports
directly: a hundred files would need two hundred requests.
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

_LISTED = 5  # biggest files in the error


@dataclass(frozen=True, kw_only=True)
class ShippingRules:
    """Rules of a cluster for the files that are sent with a job.

    Attributes
    ----------
    ignore_files : sequence of str
        Names of files with patterns, as in ``.gitignore``, of files to leave out of a script's source folder. The
        first of these files that exists is used.
    most_bytes, most_files : float
        Limits of the files sent with one job.
    """

    ignore_files: Sequence[str] = (".gitignore",)
    most_bytes: float = math.inf
    most_files: float = math.inf


@dataclass(frozen=True)
class Shipment:
    """Files for a node: the content of each, by name with forward slashes."""

    files: Mapping[str, Path | bytes]

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each file in bytes, without files deleted since."""
        sizes = {}
        for name, content in self.files.items():
            with reading():
                sizes[name] = len(content) if isinstance(content, bytes) else content.stat().st_size
        return sizes

    def write(self, folder: Path) -> None:
        """Write the files into an empty folder, without files deleted since; raise JobError if one can't be read."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                with reading():
                    shutil.copyfile(content, path)


def stage(job: Job, *, rules: ShippingRules = ShippingRules(), runs_folder: Path | None = None) -> Shipment:
    """Return the files that a node needs to run a job.

    A script's environment variables may be secrets, so they are left out of ``job.json``, which is stored with the
    run's files. The cluster stores them with the submission, for all readers of the workspace.

    The default `rules` have no limits. The backend's folder of runs, `runs_folder`, is left out of a script's source
    folder. Raise JobError if that source folder does not exist, can't be read, leaves out the script, or is larger than
    the rules allow; the message lists the biggest files.
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
    biggest = sorted(sizes, key=lambda name: -sizes[name])[:_LISTED]
    raise JobError(
        f"can't send {len(sizes):,} files of {total / 1e6:,.0f} MB: the limits are {rules.most_files:,} files and "
        f"{rules.most_bytes / 2**20:,.0f} MB. The biggest: "
        + ", ".join(f"{name.removeprefix(f'{SOURCE}/')} ({sizes[name] / 1e6:,.1f} MB)" for name in biggest)
        + f". Exclude files that the script does not need with a file {rules.ignore_files[0]} in its source folder"
    )
