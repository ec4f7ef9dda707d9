"""Read IDX files, train logistic regression, keep runs and models.

Importing the package is fast: each name and each module is imported on first access (PEP 562).
"""

import importlib
import logging
import warnings
from typing import TYPE_CHECKING, Any

from mnistlib import _distribution

if TYPE_CHECKING:
    from mnistlib import backends as backends
    from mnistlib import datasets as datasets
    from mnistlib import errors as errors
    from mnistlib import idx as idx
    from mnistlib import jobs as jobs
    from mnistlib import linear as linear
    from mnistlib import models as models
    from mnistlib import plots as plots
    from mnistlib import report as report
    from mnistlib import runs as runs
    from mnistlib.backends import get_backend as get_backend
    from mnistlib.backends.azureml import AmlComputeSpec as AmlComputeSpec
    from mnistlib.backends.azureml import AzureMLBackend as AzureMLBackend
    from mnistlib.backends.azureml_v2 import AzureMLv2Backend as AzureMLv2Backend
    from mnistlib.backends.local import LocalBackend as LocalBackend
    from mnistlib.datasets import Dataset as Dataset
    from mnistlib.datasets import load_dataset as load_dataset
    from mnistlib.errors import BackendError as BackendError
    from mnistlib.errors import ClusterError as ClusterError
    from mnistlib.errors import ComputeError as ComputeError
    from mnistlib.errors import DataError as DataError
    from mnistlib.errors import DatasetNotFoundError as DatasetNotFoundError
    from mnistlib.errors import DeploymentError as DeploymentError
    from mnistlib.errors import DownloadError as DownloadError
    from mnistlib.errors import IdxError as IdxError
    from mnistlib.errors import JobCancelledError as JobCancelledError
    from mnistlib.errors import JobError as JobError
    from mnistlib.errors import JobFailedError as JobFailedError
    from mnistlib.errors import MissingExtraError as MissingExtraError
    from mnistlib.errors import MnistlibError as MnistlibError
    from mnistlib.errors import ModelError as ModelError
    from mnistlib.errors import ModelNotFoundError as ModelNotFoundError
    from mnistlib.errors import PictureError as PictureError
    from mnistlib.errors import RunNotFoundError as RunNotFoundError
    from mnistlib.errors import RunStateError as RunStateError
    from mnistlib.errors import ScoringError as ScoringError
    from mnistlib.errors import ScriptFailedError as ScriptFailedError
    from mnistlib.errors import ServiceError as ServiceError
    from mnistlib.errors import ServiceNotFoundError as ServiceNotFoundError
    from mnistlib.errors import SweepFailedError as SweepFailedError
    from mnistlib.idx import load_data as load_data
    from mnistlib.idx import read_idx as read_idx
    from mnistlib.idx import read_idx_header as read_idx_header
    from mnistlib.idx import write_idx as write_idx
    from mnistlib.jobs import ScriptJob as ScriptJob
    from mnistlib.jobs import SweepJob as SweepJob
    from mnistlib.jobs import TrainJob as TrainJob
    from mnistlib.linear import LogisticRegression as LogisticRegression
    from mnistlib.linear import regularization_path as regularization_path
    from mnistlib.models.artifact import load_model as load_model
    from mnistlib.models.registry import ModelRegistry as ModelRegistry
    from mnistlib.models.service import Service as Service
    from mnistlib.models.service import ServiceStatus as ServiceStatus
    from mnistlib.models.version import ModelVersion as ModelVersion
    from mnistlib.report import write_report as write_report
    from mnistlib.runs import Run as Run
    from mnistlib.runs import RunStatus as RunStatus
    from mnistlib.runs import current_run as current_run

    __version__: str

_MODULE_OF = {
    "AmlComputeSpec": "backends.azureml",
    "AzureMLBackend": "backends.azureml",
    "AzureMLv2Backend": "backends.azureml_v2",
    "BackendError": "errors",
    "ClusterError": "errors",
    "ComputeError": "errors",
    "DataError": "errors",
    "Dataset": "datasets",
    "DatasetNotFoundError": "errors",
    "DeploymentError": "errors",
    "DownloadError": "errors",
    "IdxError": "errors",
    "JobCancelledError": "errors",
    "JobError": "errors",
    "JobFailedError": "errors",
    "LocalBackend": "backends.local",
    "LogisticRegression": "linear",
    "MissingExtraError": "errors",
    "MnistlibError": "errors",
    "ModelError": "errors",
    "ModelNotFoundError": "errors",
    "ModelRegistry": "models.registry",
    "ModelVersion": "models.version",
    "PictureError": "errors",
    "Run": "runs",
    "RunNotFoundError": "errors",
    "RunStateError": "errors",
    "RunStatus": "runs",
    "ScoringError": "errors",
    "ScriptFailedError": "errors",
    "ScriptJob": "jobs",
    "Service": "models.service",
    "ServiceError": "errors",
    "ServiceNotFoundError": "errors",
    "ServiceStatus": "models.service",
    "SweepFailedError": "errors",
    "SweepJob": "jobs",
    "TrainJob": "jobs",
    "current_run": "runs",
    "get_backend": "backends",
    "load_data": "idx",
    "load_dataset": "datasets",
    "load_model": "models.artifact",
    "read_idx": "idx",
    "read_idx_header": "idx",
    "regularization_path": "linear",
    "write_idx": "idx",
    "write_report": "report",
}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - type checkers read the imports above

if _conflict := _distribution.conflict():
    warnings.warn(f"{_conflict}. {_distribution.REMEDY}", RuntimeWarning, stacklevel=2)

# A library is silent until its user configures logging.
logging.getLogger("mnistlib").addHandler(logging.NullHandler())


def _get(name: str) -> Any:
    if name == "__version__":
        from mnistlib._version import __version__

        return __version__
    if name not in _MODULE_OF:
        return _module(name)
    value = getattr(importlib.import_module(f"mnistlib.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


if not TYPE_CHECKING:  # a type checker would accept any name
    __getattr__ = _get


def _module(name: str) -> Any:
    from importlib.util import find_spec

    # Exclude names with an underscore: importing __main__ would run the command line.
    if name.startswith("_") or not name.isidentifier() or find_spec(f"mnistlib.{name}") is None:
        raise AttributeError(f"module 'mnistlib' has no attribute {name!r}")
    return importlib.import_module(f"mnistlib.{name}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
