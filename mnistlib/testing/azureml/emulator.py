"""The life of the service: its folder, its certificates, its environment."""

import json
import os
import shutil
import ssl
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import certifi
import trustme
from filelock import FileLock, Timeout

from mnistlib.files import publish_bytes
from mnistlib.testing.azureml.app import Request, build
from mnistlib.testing.azureml.compute.clusters import Clusters, Timing
from mnistlib.testing.azureml.compute.nodes import ENVIRONMENTS, Nodes
from mnistlib.testing.azureml.endpoints.scoring import Scorers
from mnistlib.testing.azureml.faults import Faults
from mnistlib.testing.azureml.jobs.sweeps import Sweeps
from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.resource import Runtime
from mnistlib.testing.azureml.server import Server
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.tokens import Credential

#: The variables as they were before any emulator led this process elsewhere.
_AT_IMPORT = dict(os.environ)

#: How the names of the variables begin that hold a person's credentials.
_CREDENTIALS = ("AZUREML_SERVICE_PRINCIPAL", "AZURE_TENANT_ID", "AZURE_CLIENT")


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The parts that exist only while the emulator runs."""

    runtime: Runtime
    server: Server


class AzureMLEmulator:
    """An Azure ML service on loopback, for the SDK as it is.

    As a context manager it also sets the variables of :attr:`environment` in this process, and takes them back.

    Parameters
    ----------
    folder : str or PathLike, optional
        Where the state is kept: a service that is started there again knows what it knew. A temporary folder if not
        given, which goes with the ``with`` block or with the process.
    environments : {"host", "venv"}
        What jobs run in: this interpreter with only those of its packages that the submitted environment asks for, or a
        virtual environment built from it by pip.
    node_start_seconds, node_idle_seconds : float
        How long a cluster's node takes to come up, and how long it stays without work. A cluster's own
        ``idle_seconds_before_scaledown`` counts where it is shorter.
    cancel_grace_seconds : float
        How long a cancelled job may still clean up before it is killed.
    collect_seconds : float
        How long it takes at least until others see what a running job has written; when it has ended, they see all.
    vm_quota : int, optional
        How many processor cores all clusters together may grow to.
    port : int
        The proxy's port on 127.0.0.1; a free one if 0.

    Attributes
    ----------
    faults : Faults
        What shall go wrong; see :meth:`Faults.add`.
    requests : list of Request
        Every request that was answered, in that order, for tests that count.
    refused : list of str
        The hosts that somebody tried to reach and that are not the service's. Of a client with azureml-dataset-runtime
        ``dc.services.visualstudio.com`` is one: its compiled library tells of its use, unseen by any hook of Python.

    Examples
    --------
    >>> from azureml.core import Workspace  # doctest: +SKIP
    >>> with AzureMLEmulator() as service:  # doctest: +SKIP
    ...     workspace = Workspace.from_config(service.config_path)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        environments: str = "host",
        node_start_seconds: float = 0.0,
        node_idle_seconds: float = 120.0,
        cancel_grace_seconds: float = 5.0,
        collect_seconds: float = 0.0,
        vm_quota: int | None = None,
        port: int = 0,
    ) -> None:
        if environments not in ENVIRONMENTS:
            raise ValueError(f"environments must be one of {', '.join(ENVIRONMENTS)}, not {environments!r}")
        self.folder = Path(tempfile.mkdtemp(prefix="azureml-") if folder is None else folder).absolute()
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.faults = Faults()
        self.requests: list[Request] = []
        self.refused: list[str] = []
        self._is_temporary = folder is None
        self._environments = environments
        self._timing = Timing(
            start_seconds=node_start_seconds, idle_seconds=node_idle_seconds, grace_seconds=cancel_grace_seconds
        )
        self._vm_quota = vm_quota
        self._collect_seconds = collect_seconds
        self._port = port
        self._lock = FileLock(self.folder / "lock")
        self._parts: _Parts | None = None
        self._before: dict[str, str | None] = {}

    @property
    def config_path(self) -> Path:
        """The file for ``Workspace.from_config`` and ``MLClient.from_config``."""
        return self.folder / "config.json"

    @property
    def environment(self) -> dict[str, str]:
        """Every variable that a process needs to reach the service, and nothing else."""
        proxy = f"http://127.0.0.1:{self._running.server.proxy_port}"
        certificates = str(self.folder / "ca.pem")
        names = self._running.runtime.state.names
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), certificates),
            "AZUREML_SERVICE_PRINCIPAL_TENANT_ID": names.tenant,
            "AZUREML_SERVICE_PRINCIPAL_ID": names.client,
            "AZUREML_SERVICE_PRINCIPAL_PASSWORD": names.client_secret,
            # The same person, as azure-identity asks for it.
            "AZURE_TENANT_ID": names.tenant,
            "AZURE_CLIENT_ID": names.client,
            "AZURE_CLIENT_SECRET": names.client_secret,
            # A known cloud: to find one the SDK would ask around.
            "AZUREML_CURRENT_CLOUD": "AzureCloud",
            # A folder that does not exist, and where the SDK therefore keeps nothing.
            "AZURE_CONFIG_DIR": str(self.folder / "no-azure-config"),
            # MLflow would look up where to report its use.
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }

    @property
    def credential(self) -> Credential:
        """A credential for ``MLClient``, for tests that need no azure-identity."""
        state = self._running.runtime.state
        names = state.names
        return Credential(state.tokens, {"tid": names.tenant, "oid": names.client, "appid": names.client})

    @property
    def _running(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("the emulator has not been started")
        return self._parts

    def start(self) -> None:
        """Start serving; return when the service can be reached.

        After a :meth:`stop` it goes on where it was: same state, same port, same :attr:`environment`.

        Raises
        ------
        OSError
            If the port is taken.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RuntimeError(f"another emulator serves {self.folder}: end it, or choose another folder") from error
        state = State.kept_in(self.folder, self.faults)
        server = Server(
            tls=self._certificates(state.names), hosts=state.names.hosts, refused=self.refused, proxy_port=self._port
        )
        nodes = Nodes(
            state,
            self._reach,
            environments=self._environments,
            builder=self._outside,
            collect_seconds=self._collect_seconds,
        )
        clusters = Clusters(state, nodes, timing=self._timing, vm_quota=self._vm_quota)
        sweeps = Sweeps(state, clusters)
        runtime = Runtime(state=state, clusters=clusters, sweeps=sweeps, scorers=Scorers(nodes))
        app = build(runtime, requests=self.requests, reset=server.reset)
        self._parts = _Parts(runtime=runtime, server=server)
        try:
            server.start(app)
        except OSError:
            self.stop()
            raise
        self._port = server.proxy_port
        names = state.names
        config = {"subscription_id": names.subscription, "resource_group": names.group}
        publish_bytes(self.config_path, json.dumps(config | {"workspace_name": names.workspace}).encode())
        clusters.start()
        sweeps.start()

    def stop(self) -> None:
        """Stop the jobs and the service; what they left stays in the folder."""
        if self._parts is not None:
            runtime = self._parts.runtime
            runtime.sweeps.stop()
            runtime.clusters.stop()
            runtime.scorers.stop()
            self._parts.server.stop()
            runtime.state.store.close()
            self._parts = None
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        environment = self.environment
        self._before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self.stop()
        if self._is_temporary:
            shutil.rmtree(self.folder)

    def _reach(self) -> dict[str, str]:
        """Return what of the environment a job gets: the way here, without a person's credentials."""
        return {name: value for name, value in self.environment.items() if not name.startswith(_CREDENTIALS)}

    def _outside(self) -> dict[str, str]:
        """Return the variables for pip, which must reach its index as if there were no emulator."""
        ours = self.environment.keys()
        others = {name: value for name, value in os.environ.items() if name not in ours}
        return others | {name: value for name, value in _AT_IMPORT.items() if name in ours}

    def _certificates(self, names: Names) -> ssl.SSLContext:
        """Make a certificate for every host, and write the authority that signed it, beside those that are known."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*sorted(names.hosts)).configure_cert(context)
        known = Path(certifi.where()).read_bytes()
        publish_bytes(self.folder / "ca.pem", known + b"\n" + authority.cert_pem.bytes())
        return context
