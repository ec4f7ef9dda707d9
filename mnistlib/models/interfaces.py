"""Interfaces of a backend's model registry and services."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mnistlib.models.artifact import ModelDescription
from mnistlib.models.service import Deployer, Service
from mnistlib.models.version import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A model to register.

    Attributes
    ----------
    name : str
        Name under which it is registered.
    content : bytes
        Content of its file.
    file : str
        Name of the file among those of its run.
    run_id : str
        Id of the run that made it.
    origin, metrics, description, tags
        See :class:`~mnistlib.models.version.ModelVersion`.
    """

    name: str
    content: bytes = field(repr=False)
    file: str
    run_id: str
    origin: ModelDescription | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


class Registrar(ABC):
    """Registration of models, the part of a registry that a run needs."""

    @abstractmethod
    def register(self, registration: Registration) -> ModelVersion:
        """Register a model under the next version of its name.

        Raises
        ------
        ModelError
            If the name is not allowed.
        """


class Models(Registrar):
    """The registered models of a backend."""

    @abstractmethod
    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Return all versions of one name or of all, sorted by name, then from the newest to the oldest."""

    @abstractmethod
    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """Return one version, by default the newest.

        Raises
        ------
        ModelNotFoundError
            If it does not exist; the message lists the existing ones.
        """

    @abstractmethod
    def delete(self, name: str, version: int) -> None:
        """Delete one version permanently. Its number is never used again.

        Raises
        ------
        ModelNotFoundError
            If it does not exist; the message lists the existing ones.
        """

    def not_found_message(self, name: str, version: int | None, place: str) -> str:
        """Return an error message for a missing version, with the existing ones."""
        versions = ", ".join(str(known.version) for known in reversed(self.list(name)))
        if versions:
            return f"model {name!r} has no version {version}; it has {versions}"
        names = dict.fromkeys(known.name for known in self.list())
        there = f"it has {', '.join(names)}" if names else "nothing has been registered yet"
        return f"no model {name!r} in {place}: {there}"

    def download(self, name: str, version: int | None, target: str | os.PathLike[str]) -> Path:
        """Write a version's file into a folder; see :meth:`ModelVersion.download`."""
        return self.get(name, version).download(target)


class Services(Deployer):
    """The deployed services of a backend."""

    @abstractmethod
    def deploy(self, model: ModelVersion, name: str, *, replace: bool = False) -> Service:
        """Start a service for a model, and wait until it responds.

        Parameters
        ----------
        model : ModelVersion
            A registered model of the same backend.
        name : str
            Name of the service: 3 to 32 lower-case letters, digits and hyphens.
        replace : bool, default False
            Replace a service of the same name.

        Returns
        -------
        Service
            A handle on the running service.

        Raises
        ------
        DeploymentError
            If the name is not allowed or taken, or the service does not start; the message says why.
        """

    @abstractmethod
    def list(self) -> Sequence[Service]:
        """Return handles on all services, sorted by name."""

    @abstractmethod
    def get(self, name: str) -> Service:
        """Return a handle on a service, deployed by any process.

        Raises
        ------
        ServiceNotFoundError
            If no service has that name; the message lists the existing ones.
        """

    def not_found_message(self, name: str) -> str:
        """Return an error message for a missing service, with the existing ones."""
        names = ", ".join(service.name for service in self.list())
        return f"no service {name!r}: {f'there are {names}' if names else 'nothing has been deployed yet'}"
