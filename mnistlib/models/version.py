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
        Name under which it is registered.
    version : int
        Counts up from 1 for each name; the number of a deleted version is never used again.
    sha256 : str
        SHA-256 of its file, in hexadecimal; checked each time the file is read.
    metrics : mapping of str to float
        Metrics of the run that made it.
    run_id : str
        Id of that run.
    description : str
        Free text by the user.
    tags : mapping of str to str
        Tags by the user.
    created : str
        Time of registration, in UTC, as ISO 8601.
    file : str
        Name of its file.
    origin : ModelDescription or None
        Description of its training; None for a model of a script.
    read : callable
        Returns the bytes of its file from the registry.
    services : Deployer or None
        The services of its backend; None for a registry without a backend.
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
        """Load the model, after checking that it is the registered one.

        Loading a pickle runs the code in it. This one needs no ``trust=True``: it is, to the byte, the output of a run
        of this backend that a user registered.

        Returns
        -------
        SavedModel
            The classifier and its description.

        Raises
        ------
        ModelError
            If the file was changed since it was registered, or can't be read as a model.
        """
        return decode_model(self.file, self.verified_bytes(), self.origin)

    def download(self, target: str | os.PathLike[str]) -> Path:
        """Write the model's file and its description into a folder, which is created if missing.

        Returns
        -------
        Path
            The file; :func:`mnistlib.load_model` reads it.

        Raises
        ------
        ModelError
            If the file was changed since it was registered; then nothing is written.
        """
        content = self.verified_bytes()
        folder = Path(target)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / Path(self.file).name  # never outside the folder, even if the registry is wrong
        publish_bytes(file, content)
        if self.origin is not None:
            publish_bytes(folder / DESCRIPTION_FILE, json.dumps(asdict(self.origin), indent=2).encode())
        return file

    def export_skops(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a ``.skops`` file, which :func:`mnistlib.load_model` loads without trust.

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
        ``label``, int64 of shape (n,), and ``probabilities``, float32 of shape (n, k), within 1e-5 of
        :meth:`~mnistlib.models.artifact.SavedModel.predict_proba`.

        Raises
        ------
        MissingExtraError
            If skl2onnx is not installed.
        ModelError
            If the model was changed since it was registered, or ONNX does not support it.
        """
        from mnistlib.models.exports import to_onnx

        publish_bytes(path, to_onnx(self.load().classifier))

    def deploy(self, name: str, *, replace: bool = False, **options: Any) -> Service:
        """Start a service for this model, and wait until it responds.

        Parameters
        ----------
        name : str
            Name of the service: 3 to 32 lower-case letters, digits and hyphens.
        replace : bool, default False
            Replace a service of the same name.
        **options
            Further options of the backend's ``services.deploy``.

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
            raise DeploymentError(f"model {self.id} belongs to no backend: get it with backend.models.get(...)")
        return self.services.deploy(self, name, replace=replace, **options)

    def verified_bytes(self) -> bytes:
        """Return the bytes of the model's file.

        Raises
        ------
        ModelError
            If they differ from the registered ones.
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
    """Raise an error if a model's name is not allowed.

    Raises
    ------
    ModelError
        If the name is not allowed; the message gives the rule.

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
