"""Description of the backend, which mnistlib finds by its entry point."""

from dataclasses import dataclass

from mnistlib.backends.spec import BackendSpec, Connection
from mnistlib.options import option, whole


@dataclass(frozen=True, kw_only=True)
class ToyConnection(Connection):
    """Options of the backend."""

    processes: int = option(1, "jobs that run at a time (default: 1)", metavar="N", check=whole(1, 64))


SPEC = BackendSpec(
    name="toy",
    backend="toy_backend.backend:ToyBackend",
    doctor="toy_backend.doctor:steps",
    connection=ToyConnection,
)
