"""Deployed model that responds over HTTP, and the rules for its name."""

import re
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import DeploymentError
from mnistlib.models.client import ScoringClient

# A name that is allowed here is allowed on every backend.
_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")


class ServiceStatus(StrEnum):
    """Status of a service."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"


class Service(ABC):
    """A deployed model that responds over HTTP.

    Attributes
    ----------
    name : str
        Name of the service.
    takes_idx : bool
        Whether the service takes IDX bytes, as this package's server does; every service takes JSON.
    """

    takes_idx = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    @abstractmethod
    def model(self) -> str:
        """The registered model of the service, as ``name:version``."""

    @property
    @abstractmethod
    def status(self) -> ServiceStatus:
        """Current status of the service."""

    @property
    @abstractmethod
    def scoring_uri(self) -> str:
        """Address for scoring requests."""

    @property
    @abstractmethod
    def key(self) -> str | None:
        """Bearer token that requests must send; None if the service needs none."""

    def predict(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Request the label of each image from the service.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, rows, columns)
            Pixels from 0 to 255.

        Returns
        -------
        ndarray, shape (n,)
            The labels, the same as from the model's own ``predict``.

        Raises
        ------
        DataError
            If the images have another type or number of dimensions.
        ScoringError
            If the service rejects the images, or can't be reached.
        """
        with self.client() as client:
            return client.predict(images)

    def client(self) -> ScoringClient:
        """Return a client of the service, for many requests over one connection."""
        return ScoringClient(self.scoring_uri, token=self.key, takes_idx=self.takes_idx)

    @abstractmethod
    def logs(self) -> str:
        """Return the log of the service so far."""

    @abstractmethod
    def delete(self) -> None:
        """Stop and delete the service. The model stays registered."""


class Deployer(ABC):
    """Base of `Services` that does not depend on `ModelVersion`, so that `ModelVersion` can use it."""

    @abstractmethod
    def deploy(self, model: Any, name: str, *, replace: bool = False) -> Service:
        """Start a service for a registered model, and wait until it responds."""


def require_service_name(name: str) -> None:
    """Raise an error if a service's name is not allowed.

    Raises
    ------
    DeploymentError
        If the name is not allowed; the message gives the rule.

    Examples
    --------
    >>> require_service_name("sklearn-mnist")
    >>> require_service_name("sklearn_mnist")
    Traceback (most recent call last):
        ...
    mnistlib.errors.DeploymentError: a service's name must be 3 to 32 lower-case letters, digits and hyphens, \
beginning with a letter and not ending in a hyphen, not 'sklearn_mnist'
    """
    if not _NAME.fullmatch(name):
        raise DeploymentError(
            "a service's name must be 3 to 32 lower-case letters, digits and hyphens, beginning with a letter and "
            f"not ending in a hyphen, not {name!r}"
        )


def service_name_of(model_name: str) -> str:
    """Return the default name of a model's service.

    Examples
    --------
    >>> service_name_of("sklearn_mnist"), service_name_of("7")
    ('sklearn-mnist', 'model-7')
    """
    name = re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-")[:32].rstrip("-")
    return name if _NAME.fullmatch(name) else f"model-{name}"[:32].rstrip("-")
