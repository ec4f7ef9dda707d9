"""The requests to Azure's management interface that the readiness checks need."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnistlib.backends.azure.calls import reason_of
from mnistlib.errors import ClusterError

ADDRESS = "https://management.azure.com"
#: Seconds to connect, and until a response begins.
TIMEOUT = (10.0, 30.0)

_PROVIDER = "providers/Microsoft.MachineLearningServices"
VERSION = "2024-04-01"


@dataclass(frozen=True, kw_only=True)
class Management:
    """GET requests about one workspace and its region, without retries."""

    subscription: str  # id
    group: str  # name of the resource group
    workspace: str  # name
    token: str = field(repr=False)  # a bearer token with read access

    def read_workspace(self) -> dict[str, Any]:
        """Return the workspace's document."""
        return self._read(self._in_workspace(""))

    def read_compute(self, name: str) -> dict[str, Any]:
        """Return a compute's document."""
        return self._read(self._in_workspace(f"/computes/{name}"))

    def read_sizes(self, region: str) -> dict[str, dict[str, Any]]:
        """Return the VM sizes that a region offers, by name in upper case."""
        answer = self._read(self._in_region(region, "vmSizes"))
        # Older versions of the interface have another key for the list.
        return {size["name"].upper(): size for size in answer.get("value") or answer.get("amlCompute") or ()}

    def read_usages(self, region: str) -> list[dict[str, Any]]:
        """Return the usage of the region's quota."""
        usages: list[dict[str, Any]] = self._read(self._in_region(region, "usages"))["value"]
        return usages

    def _in_workspace(self, rest: str) -> str:
        return workspace_id(self.subscription, self.group, self.workspace) + rest

    def _in_region(self, region: str, resource: str) -> str:
        return f"/subscriptions/{self.subscription}/{_PROVIDER}/locations/{region}/{resource}"

    def _read(self, path: str) -> dict[str, Any]:
        import requests

        try:
            answer = requests.get(
                f"{ADDRESS}{path}",
                params={"api-version": VERSION},
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=TIMEOUT,
            )
            answer.raise_for_status()
            content: dict[str, Any] = answer.json()
        except requests.HTTPError as error:
            raise ClusterError(reason_of(Exception(answer.text))) from error
        except requests.RequestException as error:
            raise ClusterError(f"no response ({type(error).__name__})") from error
        return content


def workspace_id(subscription: str, group: str, workspace: str) -> str:
    """Return the resource id of a workspace, which is also its path in the management interface."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}/{_PROVIDER}/workspaces/{workspace}"


def counts_for(usage: Mapping[str, Any], family: str) -> bool:
    """Return whether a usage counts all dedicated cores of the region, or those of a VM family."""
    if "/resourcegroups/" in usage["id"].lower():
        return False  # the share of a workspace or a cluster in another usage
    name, wanted = (re.sub("[^a-z0-9]", "", text.lower()) for text in (usage["name"]["value"], family))
    return "dedicated" in name and (name.startswith("total") or (wanted != "" and name.startswith(wanted)))


def bearer_of(token: str) -> str:
    """Return the account and tenant of a token, from its claims."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return "unknown account"
    account = claims.get("upn") or claims.get("unique_name") or claims.get("appid") or "unknown account"
    return f"{account} of tenant {claims.get('tid', 'unknown')}"
