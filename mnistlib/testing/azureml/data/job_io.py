"""The inputs and outputs of a command job on its node: folders there, blobs before and after."""

import shutil
from pathlib import Path, PurePosixPath

from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class MissingInputError(OSError):
    """A job's input has no files."""


def placeholder(kind: str, name: str) -> str:
    """Return how an input or output stands in a command: ``${{inputs.data}}``."""
    return f"${{{{{kind}.{name}}}}}"


def deliver_inputs(state: State, configuration: Document, folder: Path) -> dict[str, str]:
    """Copy what goes into a job below `folder`, make room for what comes out, and say where all of it is."""
    values: dict[str, str] = {}
    for name, given in (configuration.get("inputs") or {}).items():
        value = given["value"] if "value" in given else str(_fetch(state, given, folder / "inputs" / name))
        values[placeholder("inputs", name)] = value
    for name, wanted in (configuration.get("outputs") or {}).items():
        place = folder / "outputs" / name
        place.mkdir(parents=True)
        values[placeholder("outputs", name)] = str(place / name if wanted["type"] == "uri_file" else place)
    return values


def take_outputs(state: State, configuration: Document, values: dict[str, str]) -> None:
    """Upload what a job has written where the placeholders of its outputs led to."""
    for name, wanted in (configuration.get("outputs") or {}).items():
        written = Path(values[placeholder("outputs", name)])
        for file in [written] if written.is_file() else sorted(path for path in written.rglob("*") if path.is_file()):
            target = PurePosixPath(wanted["path"], file.relative_to(written).as_posix())
            state.blobs.put_file(wanted["container"], str(target), file)


def _fetch(state: State, given: Document, place: Path) -> Path:
    """Copy a file or a folder to the node; return its path there."""
    container, path = given["container"], given["path"]
    found = list(state.blobs.below(container, path))
    if not found:
        raise MissingInputError(f"there is nothing at {path!r} in the container {container}")
    for name, file in found:
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return place / found[0][0] if state.blobs.get(container, path) is not None else place
