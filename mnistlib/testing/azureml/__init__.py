"""An Azure ML service on loopback, which the unmodified SDKs talk to and which really runs what is submitted.

::

    from azureml.core import Workspace
    from mnistlib.testing.azureml import AzureMLEmulator

    with AzureMLEmulator() as service:
        workspace = Workspace.from_config(service.config_path)

The same with azure-ai-ml; both SDKs see the same clusters, environments, runs and models::

    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    with AzureMLEmulator() as service:
        client = MLClient.from_config(DefaultAzureCredential(), path=service.config_path)

:class:`AzureMLEmulator`
    The service. It speaks TLS under Azure's own names, behind a proxy that answers these names and no others, so that
    nothing leaves the machine; :attr:`~AzureMLEmulator.environment` is what a process needs to find it.
:class:`Faults`
    What goes wrong, when a test wants it to: ``service.faults.add("throttle", match="POST .*/snapshotrun")``.
:mod:`mnistlib.testing.azureml.fixtures`
    A pytest fixture.

``python -m mnistlib.testing.azureml`` starts it for other processes and prints the variables to export.

It covers the workspace, clusters of compute, the default datastore, blobs, data sets, environments, snapshots,
submission, runs with their logs, metrics, files and children, models, secrets, and web services on container instances,
with an entry script or, for a model of scikit-learn, without; of azure-ai-ml command jobs, sweeps over a grid, code,
data and model assets, managed online endpoints and their deployments; and MLflow's tracking server.
Any other call is answered with 501, and says which one it was. A job sees only what was shipped: no variable of this
process, and no package but those that its environment asks for. It is no prison: a job that wants to can read this
machine's files, as you can.

What is deployed runs for real too, in the environment that it asks for: one process each, which answers one request
after the other. Requests and answers may be of any size here, and take as long as they like; Azure's may not.

What it can't tell: how Azure words its errors, how long things take there, and what they cost.

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
