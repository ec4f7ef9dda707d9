"""What a first job on Azure Machine Learning needs, looked at alike for both SDKs.

The management interface is asked by plain reads, each with its time limit; what an SDK alone knows, who one is and
where data goes, is asked of that SDK.
"""

import base64
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from mnistlib.backends.azureml_calls import NOT_FOUND, reason_of, status_of
from mnistlib.backends.azureml_compute import AmlComputeSpec
from mnistlib.backends.checks import Package, Step, Wrong, look_at_packages, runs_folder_step
from mnistlib.errors import JobError, ServiceError

MANAGEMENT = "https://management.azure.com"

_VERSION = "2024-04-01"
_TIMEOUT = (10.0, 30.0)  # seconds to connect, and until the answer begins
_CONFIG_FILE = "config.json"
#: Where below a folder both SDKs look for it, before they go on to the folder above.
_CONFIG_FOLDERS = (".azureml", "aml_config", "")
_KEYS = ("subscription_id", "resource_group", "workspace_name")

_GET_CONFIG = (
    "Download config.json in the studio (ml.azure.com: the workspace's name at the top right, then Download config "
    "file), and put it here or into .azureml."
)
_SIGN_IN = "Sign in again with az login, to the tenant of the workspace (--tenant)."
_ROLES = (
    "Ask an owner of the workspace for the role AzureML Data Scientist on it, and for AzureML Compute Operator where "
    "the cluster is still to be made."
)
_LATER = "Try again in a few minutes; https://azure.status.microsoft says whether the region is down."
_NETWORK = "Check the network, the proxy that HTTPS_PROXY names, and the certificates that REQUESTS_CA_BUNDLE names."


@dataclass(frozen=True, kw_only=True)
class Container:
    """Where data is sent by default: the datastore, and the SDK's own client for its container."""

    datastore: str
    account: str
    name: str
    client: Any


class Sdk(ABC):
    """What the checks ask of an SDK.

    Attributes
    ----------
    extra : str
        The extra that installs it.
    packages : sequence of Package
        What has to be installed, as pyproject.toml has it.
    variables : sequence of str
        Those of a service principal.
    """

    extra: str
    packages: Sequence[Package]
    variables: Sequence[str]

    @abstractmethod
    def load(self) -> None:
        """Import the SDK."""

    @abstractmethod
    def token(self) -> tuple[str, str]:
        """Return where the credential comes from and a token of it; never ask the user."""

    @abstractmethod
    def open(self, config: Path) -> None:
        """Open the workspace as a submission does."""

    @abstractmethod
    def container(self) -> Container:
        """Return where data is sent, with its key, of the workspace that was opened."""


def steps_of(
    sdk: Sdk, *, config: str | os.PathLike[str] | None, runs_folder: str | os.PathLike[str] | None
) -> list[Step]:
    """Return what to look at, in order."""
    return [*_Examination(sdk, Path(config or ".")).steps(), runs_folder_step(runs_folder)]


class _Examination:
    """One round of looks; each keeps what later ones go by."""

    def __init__(self, sdk: Sdk, start: Path) -> None:
        self._sdk = sdk
        self._start = start
        self._config = start
        self._names: dict[str, str] = {}
        self._token = ""
        self._region = ""
        self._spec = AmlComputeSpec(name="not-read", min_nodes=0, max_nodes=1, vm_size="")
        self._has_cluster = False
        self._size: dict[str, Any] = {}

    def steps(self) -> list[Step]:
        return [
            Step(name="SDK", look=self._look_at_sdk),
            Step(name=_CONFIG_FILE, look=self._look_at_config),
            Step(name="credential", look=self._look_at_credential, needs=["SDK"]),
            Step(name="workspace", look=self._look_at_workspace, needs=["SDK", _CONFIG_FILE, "credential"]),
            Step(name="datastore", look=self._look_at_datastore, needs=["workspace"]),
            Step(name="settings", look=self._look_at_settings),
            Step(name="cluster", look=self._look_at_cluster, needs=["workspace", "settings"]),
            Step(name="VM size", look=self._look_at_size, needs=["workspace", "settings", "cluster"]),
            Step(name="quota", look=self._look_at_quota, needs=["workspace", "settings", "cluster", "VM size"]),
        ]

    def _look_at_sdk(self) -> str:
        install = f'pip install --upgrade "mnistlib[{self._sdk.extra}]"'
        found = look_at_packages(self._sdk.packages, advice=f"Install what is needed: {install}.")
        try:
            self._sdk.load()
        except ImportError as error:
            raise Wrong(f"{found}, which can't be imported: {error}", f"Install it anew: {install}.") from error
        return found

    def _look_at_config(self) -> str:
        found = self._start if self._start.is_file() else find_config(self._start)
        if found is None:
            raise Wrong(f"no {_CONFIG_FILE} in {self._start.absolute()} or above it", _GET_CONFIG)
        try:
            content = json.loads(found.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Wrong(f"{found} can't be read as JSON ({type(error).__name__})", _GET_CONFIG) from error
        named = content if isinstance(content, dict) else {}
        missing = [key for key in _KEYS if not isinstance(named.get(key), str) or not named[key]]
        if missing:
            raise Wrong(f"{found} lacks {', '.join(missing)}", _GET_CONFIG)
        self._config, self._names = found, {key: named[key] for key in _KEYS}
        return f"{found}: workspace {named['workspace_name']} in resource group {named['resource_group']}"

    def _look_at_credential(self) -> str:
        unset = [name for name in self._sdk.variables if not os.environ.get(name)]
        advice = f"Sign in with az login, or set the variables of a service principal: {', '.join(self._sdk.variables)}"
        advice += f" (not set: {', '.join(unset)})." if unset else ", of which one is wrong now."
        try:
            source, self._token = self._sdk.token()
        except Wrong as wrong:
            raise Wrong(wrong.found, f"{advice} {wrong.advice}".strip()) from wrong
        except Exception as error:  # each way of signing in fails in classes of its own
            raise Wrong(f"no token: {reason_of(error)}", advice) from error
        return f"{source}: {_bearer_of(self._token)}"

    def _look_at_workspace(self) -> str:
        workspace = self._read(self._workspace_path(), what="the workspace", missing=self._names_advice())
        self._region = workspace["location"]
        try:
            self._sdk.open(self._config)
        except Exception as error:  # from a refused connection to an answer that the SDK can't read
            raise _wrong(error, what="opening the workspace with the SDK", missing=self._names_advice()) from error
        return f"{self._names['workspace_name']} in {self._region}"

    def _look_at_datastore(self) -> str:
        try:
            container = self._sdk.container()
        except Exception as error:  # as above
            advice = "Set a default datastore in the studio, under Data, Datastores."
            raise _wrong(error, what="the key of the default datastore", missing=advice) from error
        try:
            container.client.get_container_properties(
                retry_total=0, connection_timeout=_TIMEOUT[0], read_timeout=_TIMEOUT[1]
            )
        except Exception as error:  # as above
            raise _wrong(
                error,
                what=f"container {container.name} of storage account {container.account}",
                missing=f"Make the container {container.name} again, or set another default datastore in the studio.",
                forbidden=(
                    "Let the storage account's firewall and its setting for key access admit you; without keys you "
                    "need the role Storage Blob Data Contributor on it."
                ),
            ) from error
        return f"{container.datastore}: container {container.name} of storage account {container.account}"

    def _look_at_settings(self) -> str:
        try:
            self._spec = AmlComputeSpec()
        except JobError as error:
            raise Wrong(str(error), "Correct the variable AML_COMPUTE_CLUSTER_… that it comes from.") from error
        return str(self._spec)

    def _look_at_cluster(self) -> str:
        name = self._spec.name
        try:
            compute = self._get(f"{self._workspace_path()}/computes/{name}")["properties"]
        except ServiceError as error:
            if status_of(error) == NOT_FOUND:
                return f"{name} is not there: the first job makes it"
            raise _wrong(error, what=f"cluster {name}", missing="") from error
        kind, state = compute["computeType"], compute["provisioningState"]
        if kind != "AmlCompute":
            raise Wrong(f"{name} is a {kind} and no cluster", "Choose another name in AML_COMPUTE_CLUSTER_NAME.")
        if state in ("Failed", "Canceled", "Deleting"):
            reason = "; ".join(str(each["error"]["message"]) for each in compute.get("provisioningErrors") or ())
            advice = f"Delete it (az ml compute delete --name {name}), or choose another AML_COMPUTE_CLUSTER_NAME."
            raise Wrong(f"{name} is in state {state}{': ' if reason else ''}{reason}", advice)
        self._has_cluster = True
        scale = compute["properties"]["scaleSettings"]
        size = compute["properties"]["vmSize"]
        return f"{name} is there: {scale['minNodeCount']} to {scale['maxNodeCount']} nodes of {size}"

    def _look_at_size(self) -> str:
        if self._has_cluster:
            return "that of the cluster"
        answer = self._read(self._region_path("vmSizes"), what="the VM sizes", missing="")
        # Older versions of the interface call the list otherwise.
        sizes = {size["name"].upper(): size for size in answer.get("value") or answer.get("amlCompute") or ()}
        wanted = self._spec.vm_size.upper()
        if wanted not in sizes:
            raise Wrong(
                f"there is no {self._spec.vm_size} in {self._region}",
                f"Choose one of {', '.join(sorted(sizes)[:8])} … in AML_COMPUTE_CLUSTER_SKU.",
            )
        self._size = sizes[wanted]
        return f"{wanted} in {self._region}: {self._size['vCPUs']} vCPUs, {self._size['memoryGB']:g} GB"

    def _look_at_quota(self) -> str:
        if self._has_cluster:
            return "the cluster has its share already"
        usages = self._read(self._region_path("usages"), what="the quota", missing="")["value"]
        wanted = self._size["vCPUs"] * self._spec.max_nodes
        room = []
        for usage in usages:
            limit, used = usage["limit"], usage["currentValue"]
            if _counts(usage, str(self._size.get("family") or "")) and limit >= 0:  # -1 stands for no limit
                room.append((limit - used, f"{limit - used} of {limit} vCPUs are free in {usage['name']['value']}"))
        asked = f"{self._spec.max_nodes} nodes of {self._spec.vm_size} need {wanted} vCPUs"
        found = "; ".join([asked, *(text for _, text in room)])
        if any(free < wanted for free, _ in room):
            raise Wrong(
                found,
                "Ask for fewer nodes (AML_COMPUTE_CLUSTER_MAX_NODES) or another size (AML_COMPUTE_CLUSTER_SKU), or for "
                "more quota in the studio (ml.azure.com, Quota, Request quota).",
            )
        return found

    def _names_advice(self) -> str:
        return (
            f"Compare the names in {self._config} with those in the portal, or download it again; az account list says "
            "which subscriptions you can see."
        )

    def _workspace_path(self) -> str:
        subscription, group, workspace = (self._names[key] for key in _KEYS)
        provider = "providers/Microsoft.MachineLearningServices"
        return f"/subscriptions/{subscription}/resourceGroups/{group}/{provider}/workspaces/{workspace}"

    def _region_path(self, what: str) -> str:
        provider = "providers/Microsoft.MachineLearningServices"
        return f"/subscriptions/{self._names['subscription_id']}/{provider}/locations/{self._region}/{what}"

    def _read(self, path: str, *, what: str, missing: str) -> dict[str, Any]:
        try:
            return self._get(path)
        except ServiceError as error:
            raise _wrong(error, what=what, missing=missing) from error

    def _get(self, path: str) -> dict[str, Any]:
        """Read from the management interface, once."""
        import requests

        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            answer = requests.get(
                f"{MANAGEMENT}{path}", params={"api-version": _VERSION}, headers=headers, timeout=_TIMEOUT
            )
            answer.raise_for_status()
            content: dict[str, Any] = answer.json()
        except requests.HTTPError as error:
            raise ServiceError(reason_of(Exception(error.response.text))) from error
        except requests.RequestException as error:
            raise ServiceError(type(error).__name__) from error
        return content


def find_config(start: Path) -> Path | None:
    """Return the ``config.json`` that both SDKs find from a folder, in it or above it."""
    folders = [start.absolute(), *start.absolute().parents]
    for below, folder in product(_CONFIG_FOLDERS, folders):
        if (path := folder / below / _CONFIG_FILE).is_file():
            return path
    return None


def _wrong(error: Exception, *, what: str, missing: str, forbidden: str = _ROLES) -> Wrong:
    """Return what a call's error means, and what to do about it."""
    status = status_of(error)
    # An error of azure-core says everything twice.
    reason = reason_of(error).partition(" Code: ")[0]
    advice = {400: missing, 401: _SIGN_IN, 403: forbidden, NOT_FOUND: missing}.get(status or 0, "")
    if not advice:
        advice = _NETWORK if status is None else _LATER
    return Wrong(f"{what}: {reason}" + (f" (HTTP {status})" if status else ""), advice)


def _counts(usage: dict[str, Any], family: str) -> bool:
    """Whether a usage is of the whole region's dedicated cores, or of those of a family of sizes."""
    if "/resourcegroups/" in usage["id"].lower():
        return False  # the part of one workspace or cluster in another line's sum
    name = re.sub("[^a-z0-9]", "", usage["name"]["value"].lower())
    wanted = re.sub("[^a-z0-9]", "", family.lower())
    return "dedicated" in name and (name.startswith("total") or bool(wanted) and name.startswith(wanted))


def _bearer_of(token: str) -> str:
    """Return whom a token speaks for, by what it says of itself."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        who = claims.get("upn") or claims.get("unique_name") or claims.get("appid") or "somebody"
        return f"{who} of tenant {claims.get('tid', 'unknown')}"
    except (IndexError, ValueError):
        return "somebody"
