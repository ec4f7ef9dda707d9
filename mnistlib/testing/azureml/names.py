"""The names that the emulated service goes by: subscription, workspace, hosts, paths."""

import base64
import json
import re
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from mnistlib.files import publish_bytes

MANAGEMENT_HOST = "management.azure.com"
LOGIN_HOST = "login.microsoftonline.com"

#: Where a workspace stands in a path. Azure's own services compare it without regard to case.
WORKSPACE_PATH = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace>[^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Names:
    """Who the service is. Kept in its folder, so that it is the same one after a restart.

    The SDK remembers on the client which snapshot it sent last, by the workspace's id: a service that has forgotten its
    snapshots must have another id, one that remembers them the same.
    """

    tenant: str
    client: str
    client_secret: str
    subscription: str
    group: str
    workspace: str
    workspace_id: str
    region: str
    account: str
    account_key: str
    signing_key: str

    @classmethod
    def new(cls) -> "Names":
        """Return names that no other service has."""
        return cls(
            tenant=str(uuid.uuid4()),
            client=str(uuid.uuid4()),
            client_secret=secrets.token_urlsafe(24),
            subscription=str(uuid.uuid4()),
            group="mnistlib-testing",
            workspace="loopback",
            workspace_id=str(uuid.uuid4()),
            region="eastus",
            account=f"loopback{secrets.token_hex(5)}",
            account_key=base64.b64encode(secrets.token_bytes(64)).decode(),
            signing_key=secrets.token_hex(32),
        )

    @classmethod
    def kept_in(cls, folder: Path) -> "Names":
        """Read the names from `folder`, or make new ones and keep them there."""
        file = folder / "names.json"
        if file.exists():
            return cls(**json.loads(file.read_text()))
        names = cls.new()
        publish_bytes(file, json.dumps(asdict(names), indent=2).encode())
        file.chmod(0o600)  # keys, even though they open nothing but this folder's service
        return names

    @property
    def resource(self) -> str:
        """The workspace's Azure resource id, as it stands in paths."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def api_host(self) -> str:
        """The host of every service of the region."""
        return f"{self.region}.api.azureml.ms"

    @property
    def discovery_host(self) -> str:
        """The workspace's own host, which only says where the services are."""
        return f"{self.workspace_id}.workspace.{self.region}.api.azureml.ms"

    @property
    def blob_host(self) -> str:
        """The host of the workspace's storage."""
        return f"{self.account}.blob.core.windows.net"

    @property
    def scoring_host(self) -> str:
        """The host of web services on container instances."""
        return f"{self.workspace}.{self.region}.azurecontainer.io"

    @property
    def endpoint_domain(self) -> str:
        """What the host of every online endpoint ends in, after the endpoint's name and a dot."""
        return f"{self.region}.inference.ml.azure.com"

    @property
    def hosts(self) -> frozenset[str]:
        """Every host that the service answers for; one that begins with ``*.`` stands for many."""
        return frozenset(
            {
                MANAGEMENT_HOST,
                LOGIN_HOST,
                self.api_host,
                self.discovery_host,
                self.blob_host,
                self.scoring_host,
                f"*.{self.endpoint_domain}",
            }
        )

    @property
    def tracking_uri(self) -> str:
        """The address of the workspace's MLflow server, as the plugin azureml-mlflow takes it."""
        return f"azureml://{self.api_host}/mlflow/v1.0{self.resource}"

    def api(self, service: str, rest: str) -> str:
        """Return the address of a call: ``names.api("history/v1.0", "/runs/x")``."""
        return f"https://{self.api_host}/{service}{self.resource}{rest}"
