"""What a deployed model finds beside its entry script: the files of the models, as Azure lays them out."""

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mnistlib.testing.azureml.answers import not_found
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


def models_below(state: State, folder: Path, models: list[Document]) -> Path:
    """Copy models to ``NAME/VERSION`` below a folder; return what AZUREML_MODEL_DIR is: the only one's, or the folder.

    A model that is a folder comes with that folder's name.
    """
    folder.mkdir()
    places = [folder / model["name"] / str(model["version"]) for model in models]
    for model, place in zip(models, places, strict=True):
        for name, source in _files_of(state, model):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place / name)
    return places[0] if len(places) == 1 else folder


def _files_of(state: State, model: Document) -> Iterator[tuple[str, Path]]:
    number = model["url"].removeprefix("aml://asset/")
    asset = state.store.get("asset", number)
    if asset is None:
        raise not_found(f"The asset {number} of the model {model['name']}:{model['version']}")
    for artifact in asset["artifacts"]:
        prefix = artifact.get("prefix") or artifact["id"]
        is_file = state.blobs.get(RUN_CONTAINER, prefix) is not None
        for name, file in state.blobs.below(RUN_CONTAINER, prefix):
            yield (name if is_file else f"{PurePosixPath(prefix).name}/{name}"), file
