"""Emulator of Azure ML on loopback, for the unmodified SDKs; it runs submitted jobs.

::

    from azureml.core import Workspace
    from mnistlib.testing.azureml import AzureMLEmulator

    with AzureMLEmulator() as emulator:
        workspace = Workspace.from_config(emulator.config_path)

The same with azure-ai-ml; both SDKs see the same clusters, environments, runs and models::

    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    with AzureMLEmulator() as emulator:
        client = MLClient.from_config(DefaultAzureCredential(), path=emulator.config_path)

:class:`AzureMLEmulator`
    The emulator. It serves TLS under Azure's own host names, behind a proxy that accepts only these names, so that no
    request leaves the machine; :attr:`~AzureMLEmulator.environment` holds the variables by which a process reaches it.
:class:`Faults`
    Faults on demand: ``emulator.faults.add("throttle", match="POST .*/snapshotrun")``.
:mod:`mnistlib.testing.azureml.fixtures`
    A pytest fixture.

``python -m mnistlib.testing.azureml`` starts it for other processes and prints the variables to export; with
``--coverage`` it prints the table of routes, which is ``docs/emulator-coverage.md``.

It covers the workspace, clusters of compute, the default datastore, blobs, data sets, environments, snapshots,
submission, runs with their logs, metrics, files and children, models, secrets, and web services on container instances,
with an entry script or, for a model of scikit-learn, without; of azure-ai-ml command jobs, sweeps over a grid, code,
data and model assets, managed online endpoints and their deployments; and MLflow's tracking server.
Any other request is answered with 501 and a message that names it. A job gets the submitted files only: no variable of
this process, and no packages but those of its environment. It is not a sandbox: a job can read this machine's files.

Deployed models run in their environments: one process each, which answers one request after the other.
Unlike Azure, the emulator limits neither size nor duration of requests and answers.

It does not show the error texts, the durations and the costs of Azure.

Each resource has a folder for both generations of the SDK, which share one state; modules named
``v1`` hold routes of azureml-core, ``v2`` of azure-ai-ml, ``mlflow`` of MLflow. To find a route, search for a part of
its address, or look it up in ``mnistlib.testing.azureml.routes``.

Needs the ``testing`` extra, and one of the SDKs or both.
"""

from mnistlib.errors import MissingExtraError

try:
    import packaging  # noqa: F401
    import starlette  # noqa: F401
    import trustme  # noqa: F401
    import uvicorn  # noqa: F401
    import yaml  # noqa: F401
except ImportError as error:
    raise MissingExtraError("the Azure ML emulator", "testing") from error

from mnistlib.testing.azureml.app import Request
from mnistlib.testing.azureml.emulator import AzureMLEmulator
from mnistlib.testing.azureml.faults import Fault, Faults

__all__ = ["AzureMLEmulator", "Fault", "Faults", "Request"]
