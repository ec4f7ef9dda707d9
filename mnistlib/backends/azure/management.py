"""Azure's management interface, as far as it is read to see whether a first job would go well."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mnistlib.backends.azure.calls import reason_of
from mnistlib.errors import ClusterError

ADDRESS = "https://management.azure.com"
#: Seconds to connect, and until an answer begins.
TIMEOUT = (10.0, 30.0)

_PROVIDER = "providers/Microsoft.MachineLearningServices"
VERSION = "2024-04-01"


@dataclass(frozen=True, kw_only=True)
class Management:
    """Reads of one workspace and its region, each made once.

    Attributes
    ----------
    subscription, group, workspace : str
        The workspace's names.
    token : str
        A bearer token of somebody who may read it.
    """

    subscription: str
    group: str
    workspace: str
    token: str = field(repr=False)

    def read_workspace(self) -> dict[str, Any]:
        """Return the workspace's document."""
        return self._read(self._in_workspace(""))

    def read_compute(self, name: str) -> dict[str, Any]:
        """Return a compute's document."""
        return self._read(self._in_workspace(f"/computes/{name}"))

    def read_sizes(self, region: str) -> dict[str, dict[str, Any]]:
        """Return the machines that a region offers, by their names in capitals."""
        answer = self._read(self._in_region(region, "vmSizes"))
        # The interface's older versions have another word for the list.
        return {size["name"].upper(): size for size in answer.get("value") or answer.get("amlCompute") or ()}

    def read_usages(self, region: str) -> list[dict[str, Any]]:
        """Return what of the region's quota is in use."""
        usages: list[dict[str, Any]] = self._read(self._in_region(region, "usages"))["value"]
        return usages

    def _in_workspace(self, rest: str) -> str:
        return workspace_id(self.subscription, self.group, self.workspace) + rest

    def _in_region(self, region: str, what: str) -> str:
        return f"/subscriptions/{self.subscription}/{_PROVIDER}/locations/{region}/{what}"

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
            raise ClusterError(f"no answer ({type(error).__name__})") from error
        return content


def workspace_id(subscription: str, group: str, workspace: str) -> str:
    """Return the resource id of a workspace, which is also its path here."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}/{_PROVIDER}/workspaces/{workspace}"


def counts_for(usage: Mapping[str, Any], family: str) -> bool:
    """Return whether a usage is of all dedicated cores of the region, or of those of a family of machines."""
    if "/resourcegroups/" in usage["id"].lower():
        return False  # a workspace's or a cluster's part of another line
    name, wanted = (re.sub("[^a-z0-9]", "", text.lower()) for text in (usage["name"]["value"], family))
    return "dedicated" in name and (name.startswith("total") or (wanted != "" and name.startswith(wanted)))


def bearer_of(token: str) -> str:
    """Return whom a token speaks for, by what it says of itself."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return "somebody"
    who = claims.get("upn") or claims.get("unique_name") or claims.get("appid") or "somebody"
    return f"{who} of tenant {claims.get('tid', 'unknown')}"
