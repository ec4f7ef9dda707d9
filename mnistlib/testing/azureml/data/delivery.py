"""Transfer of a job's data: files to its node before it starts, files from there when it has ended."""

import fnmatch
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mnistlib.testing.azureml.data.blobs import DATA_CONTAINER
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

#: The paths in the definition of a file data set.
_PATTERN = re.compile(
    r"azureml://subscriptions/[^\s'\"]*/datastores/(?P<datastore>[^/\s]+)/paths/(?P<glob>[^\s'\"\\]+)"
)


@dataclass(frozen=True, kw_only=True)
class NodePaths:
    """Paths of a job's data on its node, or ids of data sets that the job opens itself."""

    of: dict[str, str]  # by placeholder in the arguments
    variables: dict[str, str]  # by environment variable

    def replace(self, text: str) -> str:
        """Return `text` with every placeholder replaced by a path."""
        for placeholder in sorted(self.of, key=len, reverse=True):  # "data" begins like "data_2"
            text = text.replace(placeholder, self.of[placeholder])
        return text


class MissingDataError(OSError):
    """A job refers to data that does not exist."""


def deliver(state: State, configuration: Document, folder: Path) -> NodePaths:
    """Copy the data that a job refers to below `folder`, make folders for its outputs, and return their paths.

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
            place = _fetch(state, DATA_CONTAINER, path, folder / name, missing=f"the datastore has nothing at {path!r}")
        of[f"$AZUREML_DATAREFERENCE_{name}"] = variables[f"AZUREML_DATAREFERENCE_{name}"] = str(place)
    datasets = []
    for name, use in (configuration.get("data") or {}).items():
        mechanism, variable = use["mechanism"].lower(), use.get("environmentVariableName") or name
        if mechanism == "direct":  # the job itself opens the data set, by its id
            value = use["dataLocation"]["dataset"]["id"]
        else:
            value = str(_fetch_dataset(state, use, folder / f"dataset-{name}"))
        of[f"DatasetConsumptionConfig:{name}"] = variables[variable] = value
        datasets.append(f"{variable}:{mechanism}")
    if datasets:
        variables["AZUREML_DATASET_ENVIRONMENT_VARS"] = ",".join(datasets)  # Run.input_datasets reads it
    for name, given in (configuration.get("inputs") or {}).items():
        of[_placeholder("inputs", name)] = _input_value(state, given, folder / "inputs" / name)
    for name, wanted in (configuration.get("outputs") or {}).items():
        place = folder / "outputs" / name
        place.mkdir(parents=True)
        of[_placeholder("outputs", name)] = str(place / name if wanted["type"] == "uri_file" else place)
    return NodePaths(of=of, variables=variables)


def upload_outputs(state: State, configuration: Document, paths: NodePaths) -> None:
    """Upload the outputs of a job, and its data references of mode upload."""
    for name, wanted in (configuration.get("outputs") or {}).items():
        written = Path(paths.of[_placeholder("outputs", name)])
        files = [written] if written.is_file() else _files_below(written)
        for file in files:
            target = PurePosixPath(wanted["path"], file.relative_to(written).as_posix())
            state.blobs.put_file(wanted["container"], str(target), file)
    for name, reference in (configuration.get("dataReferences") or {}).items():
        if reference.get("mode", "").lower() == "upload":
            written = Path(paths.variables[f"AZUREML_DATAREFERENCE_{name}"])
            base = PurePosixPath((reference.get("pathOnDataStore") or "").strip("/"))
            for file in _files_below(written):
                state.blobs.put_file(DATA_CONTAINER, str(base / file.relative_to(written).as_posix()), file)


def copy_files(files: Iterable[tuple[str, Path]], folder: Path) -> None:
    """Copy files below `folder`, each to its relative name."""
    for name, file in files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _placeholder(kind: str, name: str) -> str:
    """Return the placeholder of an input or output in a command: ``${{inputs.data}}``."""
    return f"${{{{{kind}.{name}}}}}"


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _input_value(state: State, given: Document, place: Path) -> str:
    if "value" in given:
        return str(given["value"])
    container, path = given["container"], given["path"]
    missing = f"there is nothing at {path!r} in the container {container}"
    return str(_fetch(state, container, path, place, missing=missing))


def _fetch(state: State, container: str, path: str, place: Path, *, missing: str) -> Path:
    """Copy a file or a folder to the node; return its path there."""
    found = list(state.blobs.below(container, path))
    if not found:
        raise MissingDataError(missing)
    place.mkdir(parents=True)
    copy_files(found, place)
    return place / found[0][0] if state.blobs.get(container, path) is not None else place


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
            if "*" not in pattern or fnmatch.fnmatch(str(PurePosixPath(base, name)), pattern):
                copy_files([(name, file)], place)
    return place
