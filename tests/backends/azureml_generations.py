"""The two backends for Azure Machine Learning, for tests that both must pass."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnistlib import TrainJob

if TYPE_CHECKING:
    from mnistlib.testing.azureml import AzureMLEmulator

LIMIT = 120
TRAIN = TrainJob(dataset="digits", regularization=0.5, tol=1e-2)


@dataclass(frozen=True)
class Generation:
    """One of the two backends.

    Attributes
    ----------
    name : str
        Its name for ``get_backend``.
    starts : str
        Path of the request that starts a run.
    sends_code, sends_data, registers : str
        Paths of the requests that send code and data, and of those that register environments.
    data_ways : str
        Allowed values of ``data``, as its error lists them.
    logs_with : sequence of str
        Further packages of a node, besides this package's own requirements.
    """

    name: str
    starts: str
    sends_code: str
    sends_data: str
    registers: str
    data_ways: str
    logs_with: tuple[str, ...]


V1 = Generation(
    "azureml",
    starts="POST .*/snapshotrun",
    sends_code="POST .*/content/.*/snapshots/",
    sends_data="PUT .*/mnistlib/data/",
    registers="PUT .*/environments/",
    data_ways="upload, fetch, dataset",
    logs_with=("azureml-core", "setuptools"),
)
V2 = Generation(
    "azureml-v2",
    starts="PUT .*/jobs/",
    sends_code="(POST .*/startPendingUpload|PUT .*/code-)",
    sends_data="PUT .*blob.*/LocalUpload/[^/]+/[^/]+/t",
    registers="PUT .*/environments/",
    data_ways="upload, fetch",
    logs_with=("mlflow-skinny", "azureml-mlflow"),
)


def count_requests(emulator: "AzureMLEmulator", match: str) -> int:
    """Return the number of matching requests so far."""
    return sum(
        bool(re.search(match, f"{request.method} {request.host}{request.path}")) for request in emulator.requests
    )
