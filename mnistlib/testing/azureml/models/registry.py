"""Registry of models: one form of document for both generations of the SDK and for MLflow."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mnistlib.testing.azureml.answers import Refusal, not_found, now, user_error
from mnistlib.testing.azureml.data.blob_locations import BlobLocation
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.data.delivery import copy_files
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store
from mnistlib.testing.azureml.versions import Versions

MODELS = Versions(kind="model", noun="model", separator=":")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


def add_asset(store: Store, name: str, artifacts: list[Document], **fields: Any) -> Document:
    """Store a list of files under an id."""
    number = uuid.uuid4().hex
    return store.put(
        "asset", number, {"id": number, "name": name, "artifacts": artifacts, "createdTime": now(), **fields}
    )


def add_model(store: Store, name: str, *, version: str | None = None, **fields: Any) -> Document:
    """Register a model under a version, the next one of its name by default.

    azureml-core knows integer versions only; azure-ai-ml alone can read any other.
    """
    if not _NAME.fullmatch(name):
        raise Refusal(400, "BadRequest", f"{name!r} is not a valid name for a model.")
    version = MODELS.next_version(store, name) if version is None else version
    number = int(version) if version.isdecimal() else version
    model = fields | {
        "name": name,
        "id": f"{name}:{number}",
        "version": number,
        "datasets": fields.get("datasets") or [],
        "createdTime": now(),
        "modifiedTime": now(),
        "createdBy": {"userName": "loopback"},
    }
    return MODELS.put(store, name, str(number), model)


def register(state: State, name: str, location: BlobLocation, *, version: str | None = None, **fields: Any) -> Document:
    """Register the files at a location as a version of a model, the next one by default."""
    asset = add_asset(state.store, name, [{"prefix": _kept_path(state, location)}])
    run = state.runs.get(location.job or "")
    return add_model(
        state.store,
        name,
        version=version,
        url=f"aml://asset/{asset['id']}",
        mimeType="application/octet-stream",
        unpack=False,
        runId=run["runId"] if run else None,
        experimentName=run["experimentName"] if run else None,
        place=[location.container, location.path],
        **fields,
    )


def model_location(store: Store, model: Document) -> BlobLocation:
    """Return the location from which a model was registered."""
    if model.get("place"):
        container, path = model["place"]
        return BlobLocation(container=container, path=path)
    return kept_location(store, model)  # azureml-core registers files of runs, where they are


def kept_location(store: Store, model: Document) -> BlobLocation:
    """Return the location of a model's files in the container of runs."""
    asset = store.get("asset", _asset_id(model)) or {"artifacts": []}
    paths = [artifact.get("prefix") or artifact["id"] for artifact in asset["artifacts"]]
    return BlobLocation(container=RUN_CONTAINER, path=paths[0] if len(paths) == 1 else _common(paths))


def models_below(state: State, folder: Path, models: list[Document]) -> Path:
    """Copy models to ``NAME/VERSION`` below a folder; return AZUREML_MODEL_DIR: the single model's folder, or `folder`.

    A model that is a folder keeps that folder's name.
    """
    folder.mkdir()
    targets = [folder / model["name"] / str(model["version"]) for model in models]
    for model, target in zip(models, targets, strict=True):
        copy_files(_files_of(state, model), target)
    return targets[0] if len(targets) == 1 else folder


def _files_of(state: State, model: Document) -> Iterator[tuple[str, Path]]:
    asset = state.store.get("asset", _asset_id(model))
    if asset is None:
        raise not_found(f"The asset {_asset_id(model)} of the model {model['name']}:{model['version']}")
    for artifact in asset["artifacts"]:
        prefix = artifact.get("prefix") or artifact["id"]
        is_file = state.blobs.get(RUN_CONTAINER, prefix) is not None
        for name, file in state.blobs.below(RUN_CONTAINER, prefix):
            yield (name if is_file else f"{PurePosixPath(prefix).name}/{name}"), file


def _asset_id(model: Document) -> str:
    return str(model["url"]).removeprefix("aml://asset/")


def _kept_path(state: State, location: BlobLocation) -> str:
    """Return the path of a model's files in the container of runs, where azureml-core looks for them; copy others."""
    files = list(state.blobs.below(location.container, location.path))
    if not files:
        raise user_error(f"There are no files at {location.path!r} in the container {location.container}.")
    if location.container == RUN_CONTAINER:
        return location.path
    is_file = state.blobs.get(location.container, location.path) is not None
    path = PurePosixPath("LocalUpload", uuid.uuid4().hex, PurePosixPath(location.path).name)
    for name, file in files:
        state.blobs.put_file(RUN_CONTAINER, str(path if is_file else path / name), file)
    return str(path)


def _common(paths: list[str]) -> str:
    """Return the folder that contains all of the paths."""
    parts = zip(*(PurePosixPath(path).parts for path in paths), strict=False)
    return "/".join(same[0] for same in parts if len(set(same)) == 1)
