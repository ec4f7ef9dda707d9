"""Every error that mnistlib raises on purpose.

::

    MnistlibError
    ├── IdxError (ValueError)                  bytes that are not one IDX array
    ├── DataError (ValueError)                 a data set that is incomplete or contradicts itself
    │   ├── DatasetNotFoundError (FileNotFoundError)   its files are not there
    │   ├── DownloadError (OSError)            no mirror gave a good file
    │   └── PictureError                       a picture that no digit can be read from
    ├── JobError (ValueError)                  a job with a value that is not allowed
    ├── JobFailedError (RuntimeError)          a job that was run and failed; its cause is the original error
    │   └── JobCancelledError                  a job that was cancelled
    ├── SweepFailedError (RuntimeError)        a sweep without a trial to choose
    ├── ScriptFailedError (RuntimeError)       a script that ended with another exit status than 0
    ├── RunNotFoundError (LookupError)         no run has that id
    ├── RunStateError (RuntimeError)           a run is not in the state that was needed
    ├── ModelError (ValueError)                a saved model that is damaged, foreign or does not fit the data
    ├── ModelNotFoundError (LookupError)       no model is registered under that name and version
    ├── BackendError (ValueError)              no backend has that name
    ├── ClusterError (RuntimeError)            a cluster's interface refused a request, or could not be reached
    │   └── ComputeError                       there is no cluster, and none can be made
    ├── ServiceError (RuntimeError)            a deployed model
    │   ├── DeploymentError                    it can't be deployed, or does not start
    │   ├── ServiceNotFoundError (LookupError)     no service has that name
    │   └── ScoringError                       it refused a request, or could not be reached
    └── MissingExtraError (ImportError)        an optional dependency is not installed

Each also is the built-in error that a caller would think of first, so ``except ValueError`` keeps working.
A file that is missing, or may not be read, stays the ``OSError`` that Python raises.
"""

from collections.abc import Sequence

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
    """Root of every error that mnistlib raises on purpose."""


class IdxError(MnistlibError, ValueError):
    """The bytes are not exactly one well-formed IDX array, or the array can't be written as IDX."""


class DataError(MnistlibError, ValueError):
    """A data set is incomplete or contradicts itself."""


class DatasetNotFoundError(DataError, FileNotFoundError):
    """The files of a data set are not where they were looked for."""


class DownloadError(DataError, OSError):
    """No mirror delivered the right file, or it could not be stored."""


class PictureError(DataError):
    """No digit can be read from a picture.

    Parameters
    ----------
    message : str
        The reason, and the remedy.
    code : str
        One word for programs: "png", "size" or "empty".
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class JobError(MnistlibError, ValueError):
    """A job carries a value that is not allowed."""


class JobFailedError(MnistlibError, RuntimeError):
    """A job was run and failed; ``__cause__`` is the original error where it exists.

    Parameters
    ----------
    reason : str
        Which run failed, and why.
    log_tail : sequence of str
        The last lines of the run's log; they follow the reason in the message.
    """

    def __init__(self, reason: str, *, log_tail: Sequence[str] = ()) -> None:
        super().__init__("\n".join([reason, *(f"    {line}" for line in log_tail)]))
        self.reason = reason


class JobCancelledError(JobFailedError):
    """A job was cancelled before it had ended."""


class ScriptFailedError(MnistlibError, RuntimeError):
    """A script ended with another exit status than 0."""


class SweepFailedError(MnistlibError, RuntimeError):
    """No trial of a sweep has completed with the metric to choose by."""


class RunNotFoundError(MnistlibError, LookupError):
    """No run has that id."""


class RunStateError(MnistlibError, RuntimeError):
    """A run is not in the state that was needed, such as ended before it is deleted."""


class ModelError(MnistlibError, ValueError):
    """A saved model is damaged, of unknown origin, or does not fit the data."""


class ModelNotFoundError(MnistlibError, LookupError):
    """No model is registered under that name and version."""


class BackendError(MnistlibError, ValueError):
    """No backend has that name."""


class ClusterError(MnistlibError, RuntimeError):
    """A cluster's interface refused a request, or could not be reached; the cause is the SDK's own error."""


class ComputeError(ClusterError):
    """There is no cluster to run on, and none can be made."""


class ServiceError(MnistlibError, RuntimeError):
    """A deployed model failed: root of the errors of services."""


class DeploymentError(ServiceError):
    """A model can't be deployed, or its service does not start.

    Parameters
    ----------
    reason : str
        Which service, and why.
    log_tail : sequence of str
        The last lines of the service's log; they follow the reason in the message.
    """

    def __init__(self, reason: str, *, log_tail: Sequence[str] = ()) -> None:
        super().__init__("\n".join([reason, *(f"    {line}" for line in log_tail)]))
        self.reason = reason


class ServiceNotFoundError(ServiceError, LookupError):
    """No service has that name."""


class ScoringError(ServiceError):
    """A service refused a request, or could not be reached."""


class MissingExtraError(MnistlibError, ImportError):
    """An optional dependency is needed and not installed.

    Parameters
    ----------
    purpose : str
        What needs it, as the start of a sentence.
    extra : str
        Name of the mnistlib extra that installs it.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} needs the "{extra}" extra: pip install "mnistlib[{extra}]"')
