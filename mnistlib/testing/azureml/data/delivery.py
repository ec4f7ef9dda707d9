"""What a node fetches before a job and takes back after it: the snapshot, and the data that the job refers to."""

import fnmatch
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mnistlib.testing.azureml.data.blobs import DATA_CONTAINER
from mnistlib.testing.azureml.data.job_io import deliver_inputs, take_outputs
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

#: How a definition of a file data set names what is in it.
_PATTERN = re.compile(
    r"azureml://subscriptions/[^\s'\"]*/datastores/(?P<datastore>[^/\s]+)/paths/(?P<glob>[^\s'\"\\]+)"
)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the data of a job is on its node.

    Attributes
    ----------
    of : dict
        Path, or id of a data set that the job opens itself, by placeholder, as it stands in arguments.
    variables : dict
        Variables that hold the same.
    """

    of: dict[str, str]
    variables: dict[str, str]

    def replace(self, text: str) -> str:
        """Return `text` with every placeholder replaced by a path."""
        for placeholder in sorted(self.of, key=len, reverse=True):  # "data" begins like "data_2"
            text = text.replace(placeholder, self.of[placeholder])
        return text


class MissingDataError(OSError):
    """A job refers to data that is not there."""


def fetch_snapshot(state: State, snapshot_id: str, folder: Path) -> None:
    """Write the files of a snapshot below `folder`."""
    snapshot = state.store.get("snapshot", snapshot_id)
    if snapshot is None:
        raise MissingDataError(f"there is no snapshot {snapshot_id}")
    for name, (container, blob) in snapshot["files"].items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(state.blobs.file(container, blob), target)


def deliver(state: State, configuration: Document, folder: Path) -> Places:
    """Copy the data that a job refers to below `folder`, and return where it is.

    A mount is a copy too, made before the job starts.
    """
    of: dict[str, str] = {}
    variables: dict[str, str] = {}
    for name, reference in (configuration.get("dataReferences") or {}).items():
        path = (reference.get("pathOnDataStore") or "").strip("/")
        if reference.get("mode", "").lower() == "upload":
            place = folder / name
            place.mkdir()
        else:
            place = _fetch_path(state, path, folder / name)
        of[f"$AZUREML_DATAREFERENCE_{name}"] = variables[f"AZUREML_DATAREFERENCE_{name}"] = str(place)
    told = []
    for name, use in (configuration.get("data") or {}).items():
        mechanism, variable = use["mechanism"].lower(), use.get("environmentVariableName") or name
        if mechanism == "direct":  # the job itself opens the data set, by its id
            value = use["dataLocation"]["dataset"]["id"]
        else:
            value = str(_fetch_dataset(state, use, folder / f"dataset-{name}"))
        of[f"DatasetConsumptionConfig:{name}"] = variables[variable] = value
        told.append(f"{variable}:{mechanism}")
    if told:
        variables["AZUREML_DATASET_ENVIRONMENT_VARS"] = ",".join(told)  # Run.input_datasets reads it
    of |= deliver_inputs(state, configuration, folder)
    return Places(of=of, variables=variables)


def take_back(state: State, configuration: Document, places: Places) -> None:
    """Upload what a job wrote for the data references of mode upload, and for its outputs."""
    take_outputs(state, configuration, places.of)
    for name, reference in (configuration.get("dataReferences") or {}).items():
        if reference.get("mode", "").lower() == "upload":
            written = Path(places.variables[f"AZUREML_DATAREFERENCE_{name}"])
            base = PurePosixPath((reference.get("pathOnDataStore") or "").strip("/"))
            for file in sorted(path for path in written.rglob("*") if path.is_file()):
                state.blobs.put_file(DATA_CONTAINER, str(base / file.relative_to(written).as_posix()), file)


def _fetch_path(state: State, path: str, place: Path) -> Path:
    """Copy a file or a folder of the datastore; return its path on the node."""
    found = list(state.blobs.below(DATA_CONTAINER, path))
    if not found:
        raise MissingDataError(f"the datastore has nothing at {path!r}")
    place.mkdir()
    for name, file in found:
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    is_file = state.blobs.get(DATA_CONTAINER, path) is not None
    return place / PurePosixPath(path).name if is_file else place


def _fetch_dataset(state: State, use: Document, place: Path) -> Path:
    """Copy the files of a registered or saved data set; return their folder, or the file if it is one alone."""
    saved = state.store.get("saved_dataset", use["dataLocation"]["dataset"]["id"])
    if saved is None:
        raise MissingDataError(f"there is no data set {use['dataLocation']['dataset']['id']}")
    place.mkdir()
    for found in _PATTERN.finditer(saved["dataflow"]):
        pattern = found["glob"].rstrip("/")
        base = pattern.partition("*")[0].rpartition("/")[0] if "*" in pattern else pattern
        if state.blobs.get(DATA_CONTAINER, pattern) is not None:
            name = PurePosixPath(pattern).name
            shutil.copyfile(state.blobs.file(DATA_CONTAINER, pattern), place / name)
            return place / name
        for name, file in state.blobs.below(DATA_CONTAINER, base):
            whole = f"{base}/{name}" if base else name
            if "*" not in pattern or fnmatch.fnmatch(whole, pattern):
                target = place / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    return place
