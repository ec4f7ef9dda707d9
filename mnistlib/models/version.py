"""Registered model, and the rule for its name."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mnistlib.errors import DeploymentError, ModelError
from mnistlib.files import publish_bytes
from mnistlib.models.artifact import DESCRIPTION_FILE, ModelDescription, SavedModel, decode_model
from mnistlib.models.service import Deployer, Service

# A name that is allowed here is allowed on every backend.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A registered model.

    Attributes
    ----------
    name : str
        What it is registered as.
    version : int
        Counts up from 1 for each name; the number of a deleted version is never given again.
    sha256 : str
        SHA-256 of its file, in hexadecimal; checked whenever the file is read.
    metrics : mapping of str to float
        What was measured in the run that made it.
    run_id : str
        Id of that run.
    description : str
        What a person says of it.
    tags : mapping of str to str
        What a person notes about it.
    created : str
        When it was registered, in UTC, as ISO 8601.
    file : str
        Name of its file.
    origin : ModelDescription or None
        How it was trained; None of a model that a script made.
    read : callable
        Returns the bytes of its file, from wherever the registry keeps them.
    services : Deployer or None
        The services of its backend; None of a registry that stands by itself.
    """

    name: str
    version: int
    sha256: str
    metrics: Mapping[str, float]
    run_id: str
    description: str
    tags: Mapping[str, str]
    created: str
    file: str
    origin: ModelDescription | None = field(repr=False)
    read: Callable[[], bytes] = field(repr=False, compare=False)
    services: Deployer | None = field(default=None, repr=False, compare=False)

    @property
    def id(self) -> str:
        """Name and version, as ``name:version``."""
        return f"{self.name}:{self.version}"

    def load(self) -> SavedModel:
        """Read the model back, after checking that it is the one that was registered.

        Loading a pickle runs the code in it. This one needs no word of trust: it is, to the byte, what a run of this
        backend made and somebody chose to register.

        Returns
        -------
        SavedModel
            The classifier and how it was trained.

        Raises
        ------
        ModelError
            If the file was changed since it was registered, or can't be read as a model.
        """
        return decode_model(self.file, self.verified_bytes(), self.origin)

    def download(self, target: str | os.PathLike[str]) -> Path:
        """Write the model's file into a folder, which is made, with its description beside it.

        Returns
        -------
        Path
            The file; :func:`mnistlib.load_model` reads it.

        Raises
        ------
        ModelError
            If the file was changed since it was registered; nothing is written then.
        """
        content = self.verified_bytes()
        folder = Path(target)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / Path(self.file).name  # never outside the folder, whatever the registry says
        publish_bytes(file, content)
        if self.origin is not None:
            publish_bytes(folder / DESCRIPTION_FILE, json.dumps(asdict(self.origin), indent=2).encode())
        return file

    def export_skops(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a ``.skops`` file, which :func:`mnistlib.load_model` reads without trust.

        Raises
        ------
        MissingExtraError
            If skops is not installed.
        ModelError
            If the model was changed since it was registered.
        """
        from mnistlib.models.exports import to_skops

        publish_bytes(path, to_skops(self.load().classifier))

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the model as ONNX: pixels in, labels and probabilities out.

        Its input ``pixels`` is float32 of shape (n, rows * columns), 0 = background … 1 = ink; its outputs are
        ``label``, int64 of shape (n,), and ``probabilities``, float32 of shape (n, k), within 1e-5 of what
        :meth:`~mnistlib.models.artifact.SavedModel.predict_proba` says.

        Raises
        ------
        MissingExtraError
            If skl2onnx is not installed.
        ModelError
            If the model was changed since it was registered, or is of a kind that ONNX can't express.
        """
        from mnistlib.models.exports import to_onnx

        publish_bytes(path, to_onnx(self.load().classifier))

    def deploy(self, name: str, *, replace: bool = False, **options: Any) -> Service:
        """Start a service that answers with this model, and wait until it does.

        Parameters
        ----------
        name : str
            What to call the service: 3 to 32 small letters, digits and hyphens.
        replace : bool, default False
            Let it take the place of a service of that name.
        **options
            What the backend's own ``services.deploy`` takes beside these.

        Returns
        -------
        Service
            ``service.predict(images)``, ``service.scoring_uri``, ``service.logs()``, ``service.delete()``.

        Raises
        ------
        DeploymentError
            If the name is not allowed or taken, or the service does not start; the message says why.
        """
        if self.services is None:
            raise DeploymentError(f"model {self.id} was read by no backend: get it with backend.models.get(...)")
        return self.services.deploy(self, name, replace=replace, **options)

    def verified_bytes(self) -> bytes:
        """Return the bytes of the model's file.

        Raises
        ------
        ModelError
            If they are not those that were registered.
        """
        content = self.read()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise ModelError(
                f"model {self.id} was changed after it was registered: expected SHA-256 {self.sha256}, found {found}. "
                f"Register it again from run {self.run_id}"
            )
        return content


def require_model_name(name: str) -> None:
    """Refuse a name that no model may have.

    Raises
    ------
    ModelError
        If it is none; the message says what a name must be.

    Examples
    --------
    >>> require_model_name("sklearn_mnist")
    >>> require_model_name("../up")
    Traceback (most recent call last):
        ...
    mnistlib.errors.ModelError: a model's name must be 1 to 255 letters, digits, ., _ and -, beginning with a letter \
or digit, not '../up'
    """
    if not _NAME.fullmatch(name):
        raise ModelError(
            "a model's name must be 1 to 255 letters, digits, ., _ and -, beginning with a letter or digit, "
            f"not {name!r}"
        )
