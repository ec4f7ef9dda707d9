"""Exceptions of mnistlib.

::

    MnistlibError
    ├── IdxError (ValueError)                  invalid IDX data
    ├── DataError (ValueError)                 incomplete or inconsistent data set
    │   ├── DatasetNotFoundError (FileNotFoundError)   missing files of a data set
    │   ├── DownloadError (OSError)            failed download of a data set
    │   └── PictureError                       picture without a readable digit
    ├── JobError (ValueError)                  job with an invalid value
    ├── JobFailedError (RuntimeError)          failed job; the cause is the original error
    │   └── JobCancelledError                  cancelled job
    ├── SweepFailedError (RuntimeError)        sweep without a best trial
    ├── ScriptFailedError (RuntimeError)       script with an exit status other than 0
    ├── RunNotFoundError (LookupError)         unknown id of a run
    ├── RunStateError (RuntimeError)           operation not possible in the state of the run
    ├── ModelError (ValueError)                saved model that is damaged, untrusted or does not fit the data
    ├── ModelNotFoundError (LookupError)       unknown name or version of a registered model
    ├── BackendError (ValueError)              unknown or unusable backend
    ├── ClusterError (RuntimeError)            request refused by a cluster's API, or API unreachable
    │   └── ComputeError                       no cluster to run on
    ├── ServiceError (RuntimeError)            error of a deployed model
    │   ├── DeploymentError                    failed deployment
    │   ├── ServiceNotFoundError (LookupError)     unknown name of a service
    │   └── ScoringError                       request refused by a service, or service unreachable
    └── MissingExtraError (ImportError)        optional dependency that is not installed

Each exception is also a subclass of the matching built-in exception, so ``except ValueError`` keeps working.
A missing or unreadable file raises the usual ``OSError``.
"""

from collections.abc import Sequence

from mnistlib._distribution import install_command

__all__ = [
    "BackendError",
    "ClusterError",
    "ComputeError",
    "DataError",
    "DatasetNotFoundError",
    "DeploymentError",
    "DownloadError",
    "IdxError",
    "JobCancelledError",
    "JobError",
    "JobFailedError",
    "MissingExtraError",
    "MnistlibError",
    "ModelError",
    "ModelNotFoundError",
    "PictureError",
    "RunNotFoundError",
    "RunStateError",
    "ScoringError",
    "ScriptFailedError",
    "ServiceError",
    "ServiceNotFoundError",
    "SweepFailedError",
]


class MnistlibError(Exception):
    """Base class of all exceptions of mnistlib."""


class IdxError(MnistlibError, ValueError):
    """The bytes are not exactly one valid IDX array, or the array cannot be written as IDX."""


class DataError(MnistlibError, ValueError):
    """A data set is incomplete or inconsistent."""


class DatasetNotFoundError(DataError, FileNotFoundError):
    """Files of a data set are missing."""


class DownloadError(DataError, OSError):
    """No mirror delivered the correct file, or the file could not be stored."""


class PictureError(DataError):
    """No digit can be read from a picture.

    Parameters
    ----------
    message : str
        Reason and advice.
    code : str
        Machine-readable code: "png", "size" or "empty".
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class JobError(MnistlibError, ValueError):
    """A job has an invalid value."""


class JobFailedError(MnistlibError, RuntimeError):
    """A job failed; ``__cause__`` is the original error, if available.

    Parameters
    ----------
    reason : str
        Id of the run and reason of the failure.
    log_tail : sequence of str
        The last lines of the run's log, appended to the message.
    """

    def __init__(self, reason: str, *, log_tail: Sequence[str] = ()) -> None:
        super().__init__("\n".join([reason, *(f"    {line}" for line in log_tail)]))
        self.reason = reason


class JobCancelledError(JobFailedError):
    """A job was cancelled before its end."""


class ScriptFailedError(MnistlibError, RuntimeError):
    """A script ended with an exit status other than 0."""


class SweepFailedError(MnistlibError, RuntimeError):
    """No trial of a sweep completed with the primary metric."""


class RunNotFoundError(MnistlibError, LookupError):
    """No run has the given id."""


class RunStateError(MnistlibError, RuntimeError):
    """A run is not in the required state; for example, only an ended run can be deleted."""


class ModelError(MnistlibError, ValueError):
    """A saved model is damaged, of unknown origin, or does not fit the data."""


class ModelNotFoundError(MnistlibError, LookupError):
    """No model is registered with the given name and version."""


class BackendError(MnistlibError, ValueError):
    """A backend is unknown, or cannot be used as requested."""


class ClusterError(MnistlibError, RuntimeError):
    """A cluster's API refused a request or was unreachable; ``__cause__`` is the error of the SDK."""


class ComputeError(ClusterError):
    """No cluster to run on exists, and none can be created."""


class ServiceError(MnistlibError, RuntimeError):
    """Base class of errors of deployed models."""


class DeploymentError(ServiceError):
    """A model cannot be deployed, or its service does not start.

    Parameters
    ----------
    reason : str
        Name of the service and reason of the failure.
    log_tail : sequence of str
        The last lines of the service's log, appended to the message.
    """

    def __init__(self, reason: str, *, log_tail: Sequence[str] = ()) -> None:
        super().__init__("\n".join([reason, *(f"    {line}" for line in log_tail)]))
        self.reason = reason


class ServiceNotFoundError(ServiceError, LookupError):
    """No service has the given name."""


class ScoringError(ServiceError):
    """A service refused a request or was unreachable."""


class MissingExtraError(MnistlibError, ImportError):
    """A required optional dependency is not installed.

    Parameters
    ----------
    purpose : str
        Feature that needs the dependency, as the start of a sentence.
    extra : str
        Name of the extra that installs the dependency.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} needs the "{extra}" extra: {install_command(extra)}')
