"""Names of the emulated workspace: subscription, resource group, hosts, keys."""

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

#: The workspace in a path, which Azure's services compare without regard to case.
_WORKSPACE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace>[^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Names:
    """Identity of the emulator, kept in its folder, so that it is the same after a restart.

    azureml-core remembers its last snapshot by the workspace's id: an emulator without that snapshot must have another
    id, and one with it the same.
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
        """Return new, unique names."""
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
        """Read the names from `folder`, or write new ones there."""
        file = folder / "names.json"
        if file.exists():
            return cls(**json.loads(file.read_text()))
        names = cls.new()
        publish_bytes(file, json.dumps(asdict(names), indent=2).encode())
        file.chmod(0o600)  # keys, even though they are valid for this folder's emulator only
        return names

    @property
    def resource(self) -> str:
        """Resource id of the workspace, which is also a part of paths."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def api_host(self) -> str:
        """Host of all services of the region."""
        return f"{self.region}.api.azureml.ms"

    @property
    def discovery_host(self) -> str:
        """Host of the workspace, which returns the addresses of the services."""
        return f"{self.workspace_id}.workspace.{self.region}.api.azureml.ms"

    @property
    def blob_host(self) -> str:
        """Host of the storage account."""
        return f"{self.account}.blob.core.windows.net"

    @property
    def scoring_host(self) -> str:
        """Host of web services on container instances."""
        return f"{self.workspace}.{self.region}.azurecontainer.io"

    @property
    def endpoint_domain(self) -> str:
        """Domain of online endpoints: a host is an endpoint's name, a dot and this domain."""
        return f"{self.region}.inference.ml.azure.com"

    @property
    def hosts(self) -> frozenset[str]:
        """All hosts of the emulator; ``*.`` stands for any first label."""
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

    def foreign_workspace(self, path: str) -> str | None:
        """Return the name of the workspace in a path if it is not this one."""
        found = _WORKSPACE.search(path)
        ours = (self.subscription, self.group, self.workspace)
        if found is None or [part.lower() for part in found.groups()] == [part.lower() for part in ours]:
            return None
        return found["workspace"]

    def in_canonical_case(self, path: str) -> str:
        """Return a path with the workspace spelled like :attr:`resource`."""
        return _WORKSPACE.sub(lambda _: self.resource, path, count=1)

    @property
    def tracking_uri(self) -> str:
        """Address of the workspace's MLflow server, in the form of the plugin azureml-mlflow."""
        return f"azureml://{self.api_host}/mlflow/v1.0{self.resource}"

    def api(self, service: str, rest: str) -> str:
        """Return an address of the region's host: ``names.api("history/v1.0", "/runs/x")``."""
        return f"https://{self.api_host}/{service}{self.resource}{rest}"
