"""An Azure ML service on loopback, which the unmodified azureml-core talks to and which really runs what is submitted."""

from mnistlib.errors import MissingExtraError

try:
    import packaging  # noqa: F401
    import starlette  # noqa: F401
    import trustme  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise MissingExtraError("the Azure ML emulator", "testing") from error

from mnistlib.testing.azureml.app import Request
from mnistlib.testing.azureml.emulator import AzureMLEmulator
from mnistlib.testing.azureml.faults import Fault, Faults

__all__ = ["AzureMLEmulator", "Fault", "Faults", "Request"]
