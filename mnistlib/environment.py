"""Environment variables that configure this package: the only table of their names, defaults and purposes."""

import os
from dataclasses import dataclass

__all__ = [
    "BACKEND",
    "CLOUD_DATA",
    "DATA",
    "MIRROR",
    "RUN",
    "RUNS",
    "SERVICE",
    "TOKEN",
    "TRACKING_URI",
    "VARIABLES",
    "Variable",
]


@dataclass(frozen=True)
class Variable:
    """Environment variable.

    Attributes
    ----------
    name : str
        Its name.
    help : str
        Its meaning, for the documentation.
    default : str
        Value if it is unset or empty.
    """

    name: str
    help: str
    default: str = ""

    def get(self) -> str:
        """Return its value, or the default if it is unset or empty."""
        return os.environ.get(self.name) or self.default


BACKEND = Variable("MNISTLIB_BACKEND", "backend of commands without `--backend`, and of `get_backend()`", "local")
RUNS = Variable("MNISTLIB_RUNS", "folder of the runs, the models and the services of this machine (`--runs`)", "runs")
DATA = Variable(
    "MNISTLIB_DATA",
    "folder with a subfolder for each named data set (`--data-folder`); if unset, the platform's data folder",
)
MIRROR = Variable("MNISTLIB_MIRROR", "address of a folder of data set files, tried before the published mirrors")
CLOUD_DATA = Variable(
    "MNISTLIB_CLOUD_DATA",
    "how a job's data set reaches a cluster: `upload`, `fetch` or another way of the backend",
    "upload",
)
SERVICE = Variable(
    "MNISTLIB_SERVICE", "name or URL of the service for `mnistlib score` (`--service`)", "http://127.0.0.1:8000/score"
)
TOKEN = Variable(
    "MNISTLIB_TOKEN",
    "bearer token that `mnistlib serve` requires and `mnistlib score` sends (`--token`), not shown in the process list",
)
RUN = Variable(
    "MNISTLIB_RUN", "folder of the current run, for `current_run()`; mnistlib sets it for the script of a job"
)
TRACKING_URI = Variable("MLFLOW_TRACKING_URI", "MLflow server that the backend `local` logs to, if MLflow is installed")

#: All variables that do not belong to one backend; those are in its `BackendSpec.variables`.
VARIABLES = (BACKEND, RUNS, DATA, MIRROR, CLOUD_DATA, SERVICE, TOKEN, RUN, TRACKING_URI)
