"""Interfaces of the registry and of the services that each backend has."""

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
        As :class:`~mnistlib.models.version.ModelVersion` has them.
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
    """The part of a registry that a run needs."""

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
        """Return all versions, of one name or of all: names in their order, of each the newest version first."""

    @abstractmethod
    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """Return one version, by default the newest.

        Raises
        ------
        ModelNotFoundError
            If there is none; the message says what there is.
        """

    @abstractmethod
    def delete(self, name: str, version: int) -> None:
        """Remove one version for good. Its number is never given again.

        Raises
        ------
        ModelNotFoundError
            If there is none; the message says what there is.
        """

    def what_there_is(self, name: str, version: int | None, place: str) -> str:
        """Say that a version is not there, and what is."""
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
        """Start a service that answers with a model, and wait until it does.

        Parameters
        ----------
        model : ModelVersion
            A registered model of the same backend.
        name : str
            What to call the service: 3 to 32 small letters, digits and hyphens.
        replace : bool, default False
            Let it take the place of a service of that name.

        Returns
        -------
        Service
            A handle on the service, which answers.

        Raises
        ------
        DeploymentError
            If the name is not allowed or taken, or the service does not start; the message says why.
        """

    @abstractmethod
    def list(self) -> Sequence[Service]:
        """Return handles on all services, by name."""

    @abstractmethod
    def get(self, name: str) -> Service:
        """Return a handle on a service that any process has deployed.

        Raises
        ------
        ServiceNotFoundError
            If there is none of that name; the message says what there is.
        """

    def what_there_is(self, name: str) -> str:
        """Say that a service is not there, and what is."""
        names = ", ".join(service.name for service in self.list())
        return f"no service {name!r}: {f'there are {names}' if names else 'nothing has been deployed yet'}"
