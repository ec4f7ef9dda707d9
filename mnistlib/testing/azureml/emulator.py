"""Start and stop of the emulator: its folder, certificates and environment variables."""

import json
import os
import shutil
import ssl
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
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

#: The environment variables before any emulator changed them.
_AT_IMPORT = dict(os.environ)

#: Prefixes of the variables with credentials of users.
_CREDENTIALS = ("AZUREML_SERVICE_PRINCIPAL", "AZURE_TENANT_ID", "AZURE_CLIENT")


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The parts that exist only while the emulator runs."""

    runtime: Runtime
    server: Server


class AzureMLEmulator:
    """An emulator of Azure ML on loopback, for the unmodified SDKs.

    As a context manager it also sets the variables of :attr:`environment` in this process, and restores them.

    Parameters
    ----------
    folder : str or PathLike, optional
        Folder of the state, which the next emulator in this folder continues. By default a temporary folder, which is
        deleted at the end of the ``with`` block or of the process.
    environments : {"host", "venv"}
        Environment of jobs: this interpreter with only the packages that the submitted environment asks for, or a
        virtual environment built by pip.
    node_start_seconds, node_idle_seconds : float
        Start time of a cluster's node, and its life without work. A cluster's own ``idle_seconds_before_scaledown``
        applies if it is shorter.
    cancel_grace_seconds : float
        Time for a cancelled job to clean up before it is killed.
    collect_seconds : float
        Minimum delay until the files of a running job are visible; after its end all of them are.
    vm_quota : int, optional
        Number of processor cores that all clusters together may grow to.
    port : int
        Port of the proxy on 127.0.0.1; a free one if 0.

    Attributes
    ----------
    faults : Faults
        Faults to inject; see :meth:`Faults.add`.
    requests : list of Request
        All answered requests, in order, for tests that count them.
    refused : list of str
        Other hosts that a client tried to reach. A client with azureml-dataset-runtime tries
        ``dc.services.visualstudio.com``: its compiled library sends telemetry, which no hook of Python sees.

    Examples
    --------
    >>> from azureml.core import Workspace  # doctest: +SKIP
    >>> with AzureMLEmulator() as emulator:  # doctest: +SKIP
    ...     workspace = Workspace.from_config(emulator.config_path)
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
        self.folder: Path = Path(tempfile.mkdtemp(prefix="azureml-") if folder is None else folder).absolute()
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.faults: Faults = Faults()
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
        """File for ``Workspace.from_config`` and ``MLClient.from_config``."""
        return self.folder / "config.json"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables by which a process reaches the emulator."""
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
            # The same identity for azure-identity.
            "AZURE_TENANT_ID": names.tenant,
            "AZURE_CLIENT_ID": names.client,
            "AZURE_CLIENT_SECRET": names.client_secret,
            # A known cloud: otherwise the SDK asks other hosts for one.
            "AZUREML_CURRENT_CLOUD": "AzureCloud",
            # A missing folder, so that the SDK stores nothing.
            "AZURE_CONFIG_DIR": str(self.folder / "no-azure-config"),
            # MLflow would look up the host of its telemetry.
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }

    @property
    def credential(self) -> Credential:
        """Credential for ``MLClient``, for tests without azure-identity."""
        state = self._running.runtime.state
        names = state.names
        return Credential(state.tokens, {"tid": names.tenant, "oid": names.client, "appid": names.client})

    @property
    def _running(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("the emulator has not been started")
        return self._parts

    def start(self) -> None:
        """Start the emulator; return when it can be reached.

        After :meth:`stop` it continues with the same state, port and :attr:`environment`.

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
            state=state,
            reach=self._reach,
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
        """Stop jobs and emulator; the state stays in the folder."""
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

    def __exit__(self, *exception: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self.stop()
        if self._is_temporary:
            shutil.rmtree(self.folder)

    def _reach(self) -> dict[str, str]:
        """Return the variables by which a job reaches the emulator, without a person's credentials."""
        return {name: value for name, value in self.environment.items() if not name.startswith(_CREDENTIALS)}

    def _outside(self) -> dict[str, str]:
        """Return the variables for pip, which must reach its index without the emulator's proxy."""
        ours = self.environment.keys()
        others = {name: value for name, value in os.environ.items() if name not in ours}
        return others | {name: value for name, value in _AT_IMPORT.items() if name in ours}

    def _certificates(self, names: Names) -> ssl.SSLContext:
        """Create a certificate for all hosts, and write its authority to a file, beside the known authorities."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*sorted(names.hosts)).configure_cert(context)
        known = Path(certifi.where()).read_bytes()
        publish_bytes(self.folder / "ca.pem", known + b"\n" + authority.cert_pem.bytes())
        return context
