"""The life of the service: its folder, its certificates, its environment."""

import json
import os
import ssl
import tempfile
from pathlib import Path
from types import TracebackType

import certifi
import trustme

from mnistlib.files import publish_bytes
from mnistlib.testing.azureml.app import Request, build
from mnistlib.testing.azureml.cluster import Clusters, Timing
from mnistlib.testing.azureml.faults import Faults
from mnistlib.testing.azureml.node import ENVIRONMENTS, Nodes
from mnistlib.testing.azureml.server import Server
from mnistlib.testing.azureml.services.webservices import Webservices
from mnistlib.testing.azureml.state import State

#: The variables as they were before any emulator led this process elsewhere.
_AT_IMPORT = dict(os.environ)


class AzureMLEmulator:
    """An Azure ML service on loopback, for the SDK as it is.

    As a context manager it also sets the variables of :attr:`environment` in this process, and takes them back.

    Parameters
    ----------
    folder : str or PathLike, optional
        Where the state is kept: a service that is started there again knows what it knew. A temporary folder if not
        given.
    environments : {"host", "venv"}
        What jobs run in: this interpreter with only those of its packages that the submitted environment asks for, or a
        virtual environment built from it by pip.
    node_start_seconds, node_idle_seconds : float
        How long a cluster's node takes to come up, and how long it stays without work. A cluster's own
        ``idle_seconds_before_scaledown`` counts where it is shorter.
    cancel_grace_seconds : float
        How long a cancelled job may still clean up before it is killed.
    vm_quota : int, optional
        How many processor cores all clusters together may grow to.
    port : int
        The proxy's port on 127.0.0.1; a free one if 0.

    Attributes
    ----------
    requests : list of Request
        Every request that was answered, in that order, for tests that count.
    refused : list of str
        The hosts that somebody tried to reach and that are not the service's.

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
        vm_quota: int | None = None,
        port: int = 0,
    ) -> None:
        if environments not in ENVIRONMENTS:
            raise ValueError(f"environments must be one of {', '.join(ENVIRONMENTS)}, not {environments!r}")
        self._temporary = None if folder is not None else tempfile.TemporaryDirectory(prefix="azureml-")
        self.folder = Path(folder if self._temporary is None else self._temporary.name).absolute()  # type: ignore[arg-type]
        self.requests: list[Request] = []
        self.refused: list[str] = []
        self._environments = environments
        self._timing = Timing(
            start_seconds=node_start_seconds, idle_seconds=node_idle_seconds, grace_seconds=cancel_grace_seconds
        )
        self._vm_quota = vm_quota
        self._state = State.kept_in(self.folder)
        self._port = port
        self._server: Server | None = None
        self._clusters: Clusters | None = None
        self._webservices: Webservices | None = None
        self._before: dict[str, str | None] = {}

    @property
    def faults(self) -> Faults:
        """What shall go wrong; see :meth:`Faults.add`."""
        return self._state.faults

    @property
    def config_path(self) -> Path:
        """The file for ``Workspace.from_config``."""
        return self.folder / "config.json"

    @property
    def environment(self) -> dict[str, str]:
        """Every variable that a process needs to reach the service, and nothing else."""
        if self._server is None:
            raise RuntimeError("the emulator has not been started")
        proxy = f"http://127.0.0.1:{self._server.proxy_port}"
        certificates = str(self.folder / "ca.pem")
        names = self._state.names
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), certificates),
            "AZUREML_SERVICE_PRINCIPAL_TENANT_ID": names.tenant,
            "AZUREML_SERVICE_PRINCIPAL_ID": names.client,
            "AZUREML_SERVICE_PRINCIPAL_PASSWORD": names.client_secret,
            # A known cloud: to find one the SDK would ask around.
            "AZUREML_CURRENT_CLOUD": "AzureCloud",
            # A folder that does not exist, and where the SDK therefore keeps nothing.
            "AZURE_CONFIG_DIR": str(self.folder / "no-azure-config"),
        }

    def start(self) -> None:
        """Start serving; return when the service can be reached."""
        names = self._state.names
        self._server = Server(tls=self._certificates(), hosts=names.hosts, refused=self.refused, proxy_port=self._port)
        nodes = Nodes(self._state, self._reach, environments=self._environments, builder=self._outside())
        self._clusters = Clusters(self._state, nodes, timing=self._timing, vm_quota=self._vm_quota)
        self._webservices = Webservices(self._state, nodes)
        self._server.start(
            build(self._state, self._clusters, self._webservices, requests=self.requests, reset=self._server.reset)
        )
        self._port = self._server.proxy_port  # a second start is reached where the first was
        config = {"subscription_id": names.subscription, "resource_group": names.group}
        publish_bytes(self.config_path, json.dumps(config | {"workspace_name": names.workspace}).encode())
        self._clusters.start()

    def stop(self) -> None:
        """Stop the jobs and the service. What they left stays in the folder, if one was given."""
        if self._clusters is not None:
            self._clusters.stop()
        if self._webservices is not None:
            self._webservices.stop()
        if self._server is not None:
            self._server.stop()
        self._server = self._clusters = self._webservices = None
        self._state.store.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> "AzureMLEmulator":
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

    def _reach(self) -> dict[str, str]:
        """Return what of the environment a job gets: the way here, without a person's credentials."""
        return {
            name: value for name, value in self.environment.items() if not name.startswith("AZUREML_SERVICE_PRINCIPAL")
        }

    def _outside(self) -> dict[str, str]:
        """Return the variables for pip, which must reach its index as if there were no emulator."""
        ours = self.environment.keys()
        others = {name: value for name, value in os.environ.items() if name not in ours}
        return others | {name: value for name, value in _AT_IMPORT.items() if name in ours}

    def _certificates(self) -> ssl.SSLContext:
        """Make a certificate for every host, and write the authority that signed it, beside those that are known."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*sorted(self._state.names.hosts)).configure_cert(context)
        known = Path(certifi.where()).read_bytes()
        publish_bytes(self.folder / "ca.pem", known + b"\n" + authority.cert_pem.bytes())
        return context
