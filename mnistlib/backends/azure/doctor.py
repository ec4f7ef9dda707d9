"""What a first job on Azure Machine Learning needs, looked at alike for both SDKs.

The management interface is asked by plain reads; what an SDK alone knows, who one is and where data goes, is asked of
that SDK.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import NOT_FOUND, is_connection_error, reason_of, status_of
from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azure.management import TIMEOUT, Management, bearer_of, counts_for
from mnistlib.backends.checks import Package, Step, Wrong, look_at_packages, runs_folder_step
from mnistlib.errors import ClusterError, JobError

_CONFIG_FILE = "config.json"
#: Where below a folder both SDKs look for it, before they go on to the folder above.
_CONFIG_FOLDERS = (".azureml", "aml_config", "")
_KEYS = ("subscription_id", "resource_group", "workspace_name")

_GET_CONFIG = (
    "Download config.json in the studio (ml.azure.com: the workspace's name at the top right, then Download config "
    "file), and put it here or into .azureml."
)
_SIGN_IN = "Sign in again with az login, to the workspace's own tenant (--tenant)."
_ROLES = (
    "Ask an owner of the workspace for the role AzureML Data Scientist on it, and for AzureML Compute Operator where "
    "the cluster is still to be made."
)
_STORAGE_ROLE = (
    "Let the storage account's firewall and its setting for key access admit you; without keys you need the role "
    "Storage Blob Data Contributor on it."
)
_NETWORK = "Check the network, the proxy that HTTPS_PROXY names, and the certificates that REQUESTS_CA_BUNDLE names."
_LATER = "Try again in a few minutes; https://azure.status.microsoft says whether the region is down."
_UNFORESEEN = "Install the newest version of the SDK, and report this where it stays."


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
        self._has_cluster = False
        self._size: dict[str, Any] = {}

    def steps(self) -> list[Step]:
        return [
            Step(name="SDK", look=self._look_at_sdk),
            Step(name=_CONFIG_FILE, look=self._look_at_config),
            Step(name="credential", look=self._look_at_credential, needs=["SDK"]),
            Step(name="workspace", look=self._look_at_workspace, needs=["SDK", _CONFIG_FILE, "credential"]),
            Step(name="datastore", look=self._look_at_datastore, needs=["workspace"]),
            Step(name="settings", look=_look_at_settings),
            Step(name="cluster", look=self._look_at_cluster, needs=["workspace", "settings"]),
            Step(name="VM size", look=self._look_at_size, needs=["workspace", "settings", "cluster"]),
            Step(name="quota", look=self._look_at_quota, needs=["workspace", "settings", "cluster", "VM size"]),
        ]

    def _look_at_sdk(self) -> str:
        install = f'pip install --upgrade "mnistlib[{self._sdk.extra}]"'
        found = look_at_packages(self._sdk.packages, advice=f"Install what is needed: {install}")
        try:
            self._sdk.load()
        except ImportError as error:
            raise Wrong(f"{found}, which can't be imported: {error}", f"Install it anew: {install}") from error
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
        try:
            source, self._token = self._sdk.token()
        except Exception as error:  # each way of signing in fails in classes of its own
            advice = _NETWORK if is_connection_error(error) else _sign_in_advice(self._sdk.variables)
            raise Wrong(f"no token: {reason_of(error)}", advice) from error
        return f"{source}: {bearer_of(self._token)}"

    def _look_at_workspace(self) -> str:
        name = self._names["workspace_name"]
        names = (
            f"Compare the names in {self._config} with those in the portal, or download it again; az account list "
            "says which subscriptions you can see."
        )
        with _asking(f"workspace {name}", missing=names):
            self._region = self._management.read_workspace()["location"]
        with _asking(f"workspace {name}, opened with the SDK", missing=names):
            self._sdk.open(self._config)
        return f"{name} in {self._region}"

    def _look_at_datastore(self) -> str:
        another = "make another the default in the studio, under Data, Datastores."
        with _asking("the default datastore and its key", missing=f"Make it anew, or {another}"):
            container = self._sdk.container()
        place = f"container {container.name} of storage account {container.account}"
        with _asking(place, missing=f"Make the container again, or {another}", forbidden=_STORAGE_ROLE):
            connect, read = TIMEOUT
            container.client.get_container_properties(retry_total=0, connection_timeout=connect, read_timeout=read)
        return f"{container.datastore}: {place}"

    def _look_at_cluster(self) -> str:
        name = AmlComputeSpec().name
        with _asking(f"cluster {name}"):
            compute = self._find_compute(name)
        if compute is None:
            return f"{name} is not there: the first job makes it"
        kind, state = compute["computeType"], compute["provisioningState"]
        if kind != "AmlCompute":
            raise Wrong(f"{name} is a {kind} and no cluster", "Choose another name in AML_COMPUTE_CLUSTER_NAME.")
        if state in ("Failed", "Canceled", "Deleting"):
            reasons = [str(each["error"]["message"]) for each in compute.get("provisioningErrors") or ()]
            raise Wrong(
                ": ".join([f"{name} is in the state {state}", *reasons]),
                f"Delete it (az ml compute delete --name {name}), or choose another AML_COMPUTE_CLUSTER_NAME.",
            )
        self._has_cluster = True
        scale, size = compute["properties"]["scaleSettings"], compute["properties"]["vmSize"]
        return f"{name} is there: {scale['minNodeCount']} to {scale['maxNodeCount']} nodes of {size}"

    def _look_at_size(self) -> str:
        if self._has_cluster:
            return "that of the cluster"
        wanted = AmlComputeSpec().vm_size
        with _asking("the VM sizes"):
            sizes = self._management.read_sizes(self._region)
        if wanted.upper() not in sizes:
            raise Wrong(
                f"there is no {wanted} in {self._region}",
                f"Choose another in AML_COMPUTE_CLUSTER_SKU, such as {', '.join(sorted(sizes)[:8])}.",
            )
        self._size = sizes[wanted.upper()]
        return f"{wanted} in {self._region}: {self._size['vCPUs']} vCPUs, {self._size['memoryGB']:g} GB"

    def _look_at_quota(self) -> str:
        if self._has_cluster:
            return "the cluster has its share already"
        spec = AmlComputeSpec()
        with _asking("the quota"):
            usages = self._management.read_usages(self._region)
        wanted = self._size["vCPUs"] * spec.max_nodes
        family = str(self._size.get("family") or "")
        # A limit of -1 stands for none.
        limits = [usage for usage in usages if counts_for(usage, family) and usage["limit"] >= 0]
        free = [usage["limit"] - usage["currentValue"] for usage in limits]
        found = "; ".join(
            [
                f"{spec.max_nodes} nodes of {spec.vm_size} need {wanted} vCPUs",
                *(
                    f"{left} of {usage['limit']} are free in {usage['name']['value']}"
                    for left, usage in zip(free, limits, strict=True)
                ),
            ]
        )
        if any(left < wanted for left in free):
            raise Wrong(
                found,
                "Ask for fewer nodes (AML_COMPUTE_CLUSTER_MAX_NODES) or another size (AML_COMPUTE_CLUSTER_SKU), or for "
                "more quota in the studio (ml.azure.com, Quota, Request quota).",
            )
        return found

    @property
    def _management(self) -> Management:
        subscription, group, workspace = (self._names[key] for key in _KEYS)
        return Management(subscription=subscription, group=group, workspace=workspace, token=self._token)

    def _find_compute(self, name: str) -> dict[str, Any] | None:
        """Return what a compute is like; None where there is none of that name."""
        try:
            properties: dict[str, Any] = self._management.read_compute(name)["properties"]
        except ClusterError as error:
            if status_of(error) == NOT_FOUND:
                return None
            raise
        return properties


def find_config(start: Path) -> Path | None:
    """Return the ``config.json`` that both SDKs find from a folder, in it or above it."""
    folders = [start.absolute(), *start.absolute().parents]
    for below, folder in product(_CONFIG_FOLDERS, folders):
        if (path := folder / below / _CONFIG_FILE).is_file():
            return path
    return None


def _look_at_settings() -> str:
    try:
        return str(AmlComputeSpec())
    except JobError as error:
        raise Wrong(str(error), "Correct the variable AML_COMPUTE_CLUSTER_… that it comes from.") from error


def _sign_in_advice(variables: Sequence[str]) -> str:
    unset = [name for name in variables if not os.environ.get(name)]
    state = f"not set: {', '.join(unset)}" if unset else "all are set, and one is wrong"
    return f"Sign in with az login, or set a service principal's {', '.join(variables)} ({state})."


@contextmanager
def _asking(what: str, *, missing: str = _LATER, forbidden: str = _ROLES) -> Iterator[None]:
    """Say of any error of a call what it means, and what to do: an SDK has some twenty classes for the same few."""
    try:
        yield
    except Exception as error:
        status = status_of(error)
        if status is None:
            advice = _NETWORK if is_connection_error(error) else _UNFORESEEN
        else:
            advice = {400: missing, 401: _SIGN_IN, 403: forbidden, NOT_FOUND: missing}.get(status, _LATER)
        # An error of azure-core says everything twice.
        reason = reason_of(error).partition(" Code: ")[0]
        raise Wrong(f"{what}: {reason}" + (f" (HTTP {status})" if status else ""), advice) from error
