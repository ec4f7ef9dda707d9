"""Deployed model that answers over HTTP, and the rules for its name."""

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
    """What has become of a service."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"


class Service(ABC):
    """A deployed model, to be asked from anywhere that its address is reached from.

    Attributes
    ----------
    name : str
        What it is called.
    takes_idx : bool
        Whether it takes IDX bytes, as this package's own server does; JSON is taken by every one.
    """

    takes_idx = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    @abstractmethod
    def model(self) -> str:
        """The registered model that answers, as ``name:version``."""

    @property
    @abstractmethod
    def status(self) -> ServiceStatus:
        """What has become of it."""

    @property
    @abstractmethod
    def scoring_uri(self) -> str:
        """The address that takes images and answers labels."""

    @property
    @abstractmethod
    def key(self) -> str | None:
        """What a request must carry as ``Authorization: Bearer``; None where anyone may ask."""

    def predict(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Ask the service for the label of each image.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, rows, columns)
            Pixels from 0 to 255.

        Returns
        -------
        ndarray, shape (n,)
            The labels, as the model's own ``predict`` gives them.

        Raises
        ------
        DataError
            If the images have another type or number of dimensions.
        ScoringError
            If the service refuses them, or can't be reached.
        """
        with self.client() as client:
            return client.predict(images)

    def client(self) -> ScoringClient:
        """Return a client of the service, for many questions over one connection."""
        return ScoringClient(self.scoring_uri, token=self.key, takes_idx=self.takes_idx)

    @abstractmethod
    def logs(self) -> str:
        """Return what the service has said so far."""

    @abstractmethod
    def delete(self) -> None:
        """End the service and forget it. The model stays registered."""


class Deployer(ABC):
    """Base of `Services` that knows nothing of registered models, which are deployed by it."""

    @abstractmethod
    def deploy(self, model: Any, name: str, *, replace: bool = False) -> Service:
        """Start a service that answers with a registered model, and wait until it does."""


def require_service_name(name: str) -> None:
    """Refuse a name that no service may have.

    Raises
    ------
    DeploymentError
        If it is none; the message says what a name must be.

    Examples
    --------
    >>> require_service_name("sklearn-mnist")
    >>> require_service_name("sklearn_mnist")
    Traceback (most recent call last):
        ...
    mnistlib.errors.DeploymentError: a service's name must be 3 to 32 small letters, digits and hyphens, beginning \
with a letter and not ending in a hyphen, not 'sklearn_mnist'
    """
    if not _NAME.fullmatch(name):
        raise DeploymentError(
            "a service's name must be 3 to 32 small letters, digits and hyphens, beginning with a letter and not "
            f"ending in a hyphen, not {name!r}"
        )


def service_name_of(model_name: str) -> str:
    """Return what to call the service of a model unless somebody says.

    Examples
    --------
    >>> service_name_of("sklearn_mnist"), service_name_of("7")
    ('sklearn-mnist', 'model-7')
    """
    name = re.sub(r"[^a-z0-9]+", "-", model_name.lower()).strip("-")[:32].rstrip("-")
    return name if _NAME.fullmatch(name) else f"model-{name}"[:32].rstrip("-")
