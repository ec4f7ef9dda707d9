"""Description of the local backend."""

from dataclasses import dataclass

from mnistlib.backends.spec import BackendSpec, Options
from mnistlib.options import option, whole

__all__ = ["SPEC", "LocalDeployment"]


@dataclass(frozen=True, kw_only=True)
class LocalDeployment(Options):
    """Options of a service in a process of this machine.

    Attributes
    ----------
    port : int
        Port of the service, on this machine only; 0 chooses a free port.
    """

    port: int = option(0, "port of the service (default: any free port)", metavar="N", check=whole(0, 65_535))


SPEC = BackendSpec(
    name="local",
    backend="mnistlib.backends.local.backend:LocalBackend",
    doctor="mnistlib.backends.local.doctor:steps",
    deployment=LocalDeployment,
)
