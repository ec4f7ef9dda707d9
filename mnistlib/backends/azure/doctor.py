"""Readiness checks for Azure Machine Learning, the same for both SDKs.

Most checks are GET requests to the management interface; the credential and the datastore come from the SDK.
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

from mnistlib._distribution import install_command
from mnistlib.backends.azure.calls import NOT_FOUND, is_connection_error, reason_of, status_of
from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azure.management import TIMEOUT, Management, bearer_of, counts_for
from mnistlib.backends.checks import Package, Step, Wrong, look_at_packages, runs_folder_step
from mnistlib.errors import ClusterError, JobError

_CONFIG_FILE = "config.json"
#: Subfolders where both SDKs search for it, before they go on to the parent folder.
_CONFIG_FOLDERS = (".azureml", "aml_config", "")
_KEYS = ("subscription_id", "resource_group", "workspace_name")

_GET_CONFIG = (
    "Download config.json in the studio (ml.azure.com: the workspace's name at the top right, then Download config "
    "file), and put it into this folder or .azureml."
)
_SIGN_IN = "Sign in again with az login, to the workspace's own tenant (--tenant)."
_ROLES = (
    "Ask an owner of the workspace for the role AzureML Data Scientist on it, and for AzureML Compute Operator if the "
    "cluster does not exist yet."
)
_STORAGE_ROLE = (
    "Check that the storage account's firewall and its setting for key access admit you; without keys you need the "
    "role Storage Blob Data Contributor on it."
)
_NETWORK = "Check the network, the proxy set in HTTPS_PROXY, and the certificates set in REQUESTS_CA_BUNDLE."
_LATER = "Try again in a few minutes; https://azure.status.microsoft shows whether the region is down."
_UNFORESEEN = "Install the newest version of the SDK; if the error stays, report it."


@dataclass(frozen=True, kw_only=True)
class Container:
    """Container of the default datastore, with the SDK's own client."""

    datastore: str
    account: str
    name: str
    client: Any


class Sdk(ABC):
    """SDK interface of the checks."""

    extra: str  # extra of mnistlib that installs it
    packages: Sequence[Package]  # required, as in pyproject.toml
    variables: Sequence[str]  # environment variables of a service principal

    @abstractmethod
    def load(self) -> None:
        """Import the SDK."""

    @abstractmethod
    def token(self) -> tuple[str, str]:
        """Return the source of the credential and a token, without any interactive sign-in."""

    @abstractmethod
    def open(self, config: Path) -> None:
        """Open the workspace as a submission does."""

    @abstractmethod
    def container(self) -> Container:
        """Return the container for data of the open workspace, with its key."""


def steps_of(
    sdk: Sdk, *, config: str | os.PathLike[str] | None, runs_folder: str | os.PathLike[str] | None
) -> list[Step]:
    """Return the checks, in order."""
    return [*_Examination(sdk, Path(config or ".")).steps(), runs_folder_step(runs_folder)]


class _Examination:
    """One series of checks; each keeps results for later ones."""

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
        install = install_command(self._sdk.extra)
        found = look_at_packages(self._sdk.packages, advice=f"Install the packages: {install}")
        try:
            self._sdk.load()
        except ImportError as error:
            names = " ".join(f'"{package.requirement}"' for package in self._sdk.packages)
            again = f"Install it again: pip install --force-reinstall {names}"
            raise Wrong(f"{found}, which can't be imported: {error}", again) from error
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
            raise Wrong(f"{found} has no {', '.join(missing)}", _GET_CONFIG)
        self._config, self._names = found, {key: named[key] for key in _KEYS}
        return f"{found}: workspace {named['workspace_name']} in resource group {named['resource_group']}"

    def _look_at_credential(self) -> str:
        try:
            source, self._token = self._sdk.token()
        except Exception as error:  # each way of signing in has its own error classes
            advice = _NETWORK if is_connection_error(error) else _sign_in_advice(self._sdk.variables)
            raise Wrong(f"no token: {reason_of(error)}", advice) from error
        return f"{source}: {bearer_of(self._token)}"

    def _look_at_workspace(self) -> str:
        name = self._names["workspace_name"]
        names = (
            f"Compare the names in {self._config} with those in the portal, or download it again; az account list "
            "shows your subscriptions."
        )
        with _advising(f"workspace {name}", missing=names):
            self._region = self._management.read_workspace()["location"]
        with _advising(f"workspace {name}, opened with the SDK", missing=names):
            self._sdk.open(self._config)
        return f"{name} in {self._region}"

    def _look_at_datastore(self) -> str:
        another = "choose another default datastore in the studio, under Data, Datastores."
        with _advising("the default datastore and its key", missing=f"Create it again, or {another}"):
            container = self._sdk.container()
        place = f"container {container.name} of storage account {container.account}"
        with _advising(place, missing=f"Create the container again, or {another}", forbidden=_STORAGE_ROLE):
            connect, read = TIMEOUT
            container.client.get_container_properties(retry_total=0, connection_timeout=connect, read_timeout=read)
        return f"{container.datastore}: {place}"

    def _look_at_cluster(self) -> str:
        name = AmlComputeSpec().name
        with _advising(f"cluster {name}"):
            compute = self._find_compute(name)
        if compute is None:
            return f"{name} does not exist: the first job creates it"
        kind, state = compute["computeType"], compute["provisioningState"]
        if kind != "AmlCompute":
            raise Wrong(f"{name} is a {kind}, not a cluster", "Choose another name in AML_COMPUTE_CLUSTER_NAME.")
        if state in ("Failed", "Canceled", "Deleting"):
            reasons = [str(each["error"]["message"]) for each in compute.get("provisioningErrors") or ()]
            raise Wrong(
                ": ".join([f"{name} is in the state {state}", *reasons]),
                f"Delete it (az ml compute delete --name {name}), or choose another AML_COMPUTE_CLUSTER_NAME.",
            )
        self._has_cluster = True
        scale, size = compute["properties"]["scaleSettings"], compute["properties"]["vmSize"]
        return f"{name} exists: {scale['minNodeCount']} to {scale['maxNodeCount']} nodes of {size}"

    def _look_at_size(self) -> str:
        if self._has_cluster:
            return "set by the cluster"
        wanted = AmlComputeSpec().vm_size
        with _advising("the VM sizes"):
            sizes = self._management.read_sizes(self._region)
        if wanted.upper() not in sizes:
            raise Wrong(
                f"{self._region} has no VM size {wanted}",
                f"Choose another in AML_COMPUTE_CLUSTER_SKU, such as {', '.join(sorted(sizes)[:8])}.",
            )
        self._size = sizes[wanted.upper()]
        return f"{wanted} in {self._region}: {self._size['vCPUs']} vCPUs, {self._size['memoryGB']:g} GB"

    def _look_at_quota(self) -> str:
        if self._has_cluster:
            return "already assigned to the cluster"
        spec = AmlComputeSpec()
        with _advising("the quota"):
            usages = self._management.read_usages(self._region)
        wanted = self._size["vCPUs"] * spec.max_nodes
        family = str(self._size.get("family") or "")
        # A limit of -1 means unlimited.
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
                "Choose fewer nodes (AML_COMPUTE_CLUSTER_MAX_NODES) or another size (AML_COMPUTE_CLUSTER_SKU), or "
                "request more quota in the studio (ml.azure.com, Quota, Request quota).",
            )
        return found

    @property
    def _management(self) -> Management:
        subscription, group, workspace = (self._names[key] for key in _KEYS)
        return Management(subscription=subscription, group=group, workspace=workspace, token=self._token)

    def _find_compute(self, name: str) -> dict[str, Any] | None:
        """Return the properties of a compute, or None on 404."""
        try:
            properties: dict[str, Any] = self._management.read_compute(name)["properties"]
        except ClusterError as error:
            if status_of(error) == NOT_FOUND:
                return None
            raise
        return properties


def find_config(start: Path) -> Path | None:
    """Return the ``config.json`` that both SDKs find in a folder or its parents."""
    folders = [start.absolute(), *start.absolute().parents]
    for below, folder in product(_CONFIG_FOLDERS, folders):
        if (path := folder / below / _CONFIG_FILE).is_file():
            return path
    return None


def _look_at_settings() -> str:
    try:
        return str(AmlComputeSpec())
    except JobError as error:
        raise Wrong(str(error), "Correct the environment variable AML_COMPUTE_CLUSTER_… with this value.") from error


def _sign_in_advice(variables: Sequence[str]) -> str:
    unset = [name for name in variables if not os.environ.get(name)]
    state = f"not set: {', '.join(unset)}" if unset else "all are set, but a value is wrong"
    return f"Sign in with az login, or set a service principal's {', '.join(variables)} ({state})."


@contextmanager
def _advising(subject: str, *, missing: str = _LATER, forbidden: str = _ROLES) -> Iterator[None]:
    """Turn any error of a call into a failed check, with advice for its HTTP status."""
    try:
        yield
    except Exception as error:
        status = status_of(error)
        if status is None:
            advice = _NETWORK if is_connection_error(error) else _UNFORESEEN
        else:
            advice = {400: missing, 401: _SIGN_IN, 403: forbidden, NOT_FOUND: missing}.get(status, _LATER)
        # An error of azure-core repeats its message after "Code:".
        reason = reason_of(error).partition(" Code: ")[0]
        raise Wrong(f"{subject}: {reason}" + (f" (HTTP {status})" if status else ""), advice) from error
