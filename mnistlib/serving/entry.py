"""Entry script of a deployed service: its server calls ``init()`` once and ``run()`` for each request.

It is uploaded with the package. From the server, it uses only a response class with a status.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mnistlib._version import __version__
from mnistlib.errors import ModelError
from mnistlib.models.artifact import ModelDescription, decode_model
from mnistlib.serving.inputs import parse_json, rows_of
from mnistlib.serving.model import ServedModel
from mnistlib.serving.refusals import Refusal


@dataclass(frozen=True, kw_only=True)
class ServedDescription:
    """Description of the model to serve."""

    model: str  # the registered model, as ``name:version``
    file: str  # name of its file, which determines the format
    sha256: str  # of that file, in hexadecimal
    origin: ModelDescription | None  # description of its training

    def to_json(self) -> str:
        """Return the description as JSON, for :meth:`from_json`."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "ServedDescription":
        """Create a description from JSON."""
        content = json.loads(text)
        origin = content["origin"] and ModelDescription.from_content(content["origin"])
        return cls(**content | {"origin": origin})


class Entry:
    """Handler of requests: labels as from the tutorial's entry script, error messages for bad requests.

    `description` is a file with the JSON of a :class:`ServedDescription`, and `folder` contains the model's file.
    `refused` returns the server's response to a rejected request.
    """

    def __init__(self, description: Path, *, folder: Path, refused: Callable[[Refusal], Any]) -> None:
        self._description = description
        self._folder = folder
        self._refused = refused
        self._model: ServedModel | None = None

    def init(self) -> None:
        """Load the model, after checking that it is the deployed one.

        Raise ModelError if the folder holds another file, none, or several.
        """
        description = ServedDescription.from_json(self._description.read_text(encoding="utf-8"))
        content = _file_of_the_model(description.model, self._folder).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != description.sha256:
            raise ModelError(
                f"model {description.model} was changed after it was registered: expected SHA-256 "
                f"{description.sha256}, found {found}. Register it again, and deploy the new version"
            )
        name = description.model
        self._model = ServedModel(decode_model(description.file, content, description.origin), name)
        print(f"mnistlib {__version__} answers with model {name}, SHA-256 {found}", flush=True)  # noqa: T201 - to the service's log

    def run(self, raw: str) -> Any:
        """Return the label of each row of ``{"data": [[numbers], ...]}``, the body of the request.

        For a bad request, return the server's own response: the error with status 400 or 422.
        """
        assert self._model is not None, "the server has not called init()"
        try:
            rows = rows_of(parse_json(raw), width=self._model.width, unit=self._model.shape is not None)
        except Refusal as refusal:
            return self._refused(refusal)
        return self._model.score(rows, proba=False).labels.tolist()


def _file_of_the_model(model: str, folder: Path) -> Path:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if len(files) != 1:
        named = ", ".join(path.relative_to(folder).as_posix() for path in files[:5]) or "none"
        raise ModelError(f"model {model} should be one file in {folder}, found {len(files)}: {named}")
    return files[0]
