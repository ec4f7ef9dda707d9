"""AmlCompute: clusters from creation to deletion. Reads come by the region's host, writes by the management's."""

import re
import uuid
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, not_found, now
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.names import MANAGEMENT_HOST
from mnistlib.testing.azureml.parameters import seconds_of
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document

#: Cores, graphics processors, memory (GB) and disk (MB) of the machines that there are.
VM_SIZES: dict[str, tuple[int, int, float, int]] = {
    "STANDARD_D1_V2": (1, 0, 3.5, 51200),
    "STANDARD_D2_V2": (2, 0, 7.0, 102400),
    "STANDARD_D3_V2": (4, 0, 14.0, 204800),
    "STANDARD_D4_V2": (8, 0, 28.0, 409600),
    "STANDARD_D11_V2": (2, 0, 14.0, 102400),
    "STANDARD_D12_V2": (4, 0, 28.0, 204800),
    "STANDARD_DS2_V2": (2, 0, 7.0, 14336),
    "STANDARD_DS3_V2": (4, 0, 14.0, 28672),
    "STANDARD_DS11_V2": (2, 0, 14.0, 28672),
    "STANDARD_DS12_V2": (4, 0, 28.0, 57344),
    "STANDARD_E4S_V3": (4, 0, 32.0, 65536),
    "STANDARD_F4S_V2": (4, 0, 8.0, 32768),
    "STANDARD_NC6": (6, 1, 56.0, 389120),
    "STANDARD_NC6S_V3": (6, 1, 112.0, 344064),
}

#: What a compute may be; an instance is no more than its name here, and runs nothing.
_KINDS = ("AmlCompute", "ComputeInstance")

_FAMILY = re.compile(r"STANDARD_(?P<series>[A-Z]+)\d+(?P<premium>S?)(?:_(?P<version>V\d))?")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,22}[A-Za-z0-9]")

#: The limit of a service that has no quota.
_UNLIMITED = 1_000_000


class Computes:
    """The clusters of the workspace."""

    def __init__(self, state: State, clusters: Clusters) -> None:
        self._state = state
        self._names = state.names
        self._clusters = clusters

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        both = [
            (f"{root}/computes{rest}", call, method)
            for root in ("/rp", "/arm/workspace")
            for rest, call, method in (
                ("", self.list_all, "GET"),
                ("/{name}", self.get, "GET"),
                ("/{name}", self.put, "PUT"),
                ("/{name}", self.patch, "PATCH"),
                ("/{name}", self.delete, "DELETE"),
                ("/{name}/listNodes", self.nodes, "POST"),
            )
        ]
        place = "/arm/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
        return [
            *(Route(path, call, methods=[method]) for path, call, method in both),
            Route(place + "/vmSizes", self.vm_sizes),
            Route(place + "/usages", self.usages),
            Route(place + "/computeOperationsStatus/{operation}", self.operation),
        ]

    async def list_all(self, request: Request) -> Response:
        """List all clusters."""
        # No nextLink, not even an empty one: the SDK looks whether there is such a key.
        return JSONResponse({"value": [self._described(compute) for compute in self._state.store.all("compute")]})

    async def get(self, request: Request) -> Response:
        """Describe one cluster."""
        return JSONResponse(self._described(self._find(request)))

    async def put(self, request: Request) -> Response:
        """Make a cluster, or change the one of this name."""
        name = request.path_params["name"]
        properties = (await request.json())["properties"]
        if properties.get("computeType") not in _KINDS:
            raise Refusal(
                501, "NotImplemented", f"the emulator covers no compute of type {properties.get('computeType')}"
            )
        wanted = {"scaleSettings": {"maxNodeCount": 1}, **properties["properties"]}
        self._check(name, wanted)
        before = self._state.store.get("compute", name)
        failure = None
        if before is None and self._state.faults.of_node("quota", name):
            failure = _quota_error(f"The cluster {name} exceeds the quota, on purpose.")
        compute = {
            "name": name,
            "kind": properties["computeType"],
            "vmSize": wanted["vmSize"],
            "vmPriority": wanted.get("vmPriority") or "Dedicated",
            "scale": _scale(wanted["scaleSettings"]),
            "createdOn": before["createdOn"] if before else now(),
            "modifiedOn": now(),
            "state": "Failed" if failure else "Succeeded",
            "errors": [failure] if failure else None,
        }
        self._state.store.put("compute", name, compute)
        if failure is None:
            self._clusters.follow(compute)
        return JSONResponse(self._described(compute), 201, headers=self._operation_of(failure))

    async def patch(self, request: Request) -> Response:
        """Change how a cluster scales."""
        compute = self._find(request)
        wanted = (await request.json())["properties"]["properties"]
        settings = wanted.get("scaleSettings")
        if settings:
            compute["scale"] = _scale(settings)
            self._check_quota(compute["name"], compute["vmSize"], compute["scale"]["most"])
        compute["modifiedOn"] = now()
        self._state.store.put("compute", compute["name"], compute)
        self._clusters.follow(compute)
        return JSONResponse(self._described(compute), headers=self._operation_of(None))

    async def delete(self, request: Request) -> Response:
        """Delete a cluster; its runs are cancelled."""
        compute = self._find(request)
        self._state.store.delete("compute", compute["name"])
        await run_in_threadpool(self._clusters.delete, compute["name"])
        return JSONResponse({}, 202, headers=self._operation_of(None))

    async def nodes(self, request: Request) -> Response:
        """List a cluster's nodes."""
        return JSONResponse({"nodes": self._clusters.machines(self._find(request)["name"])})

    async def vm_sizes(self, request: Request) -> Response:
        """List the machines that there are."""
        sizes = [
            {
                "name": name,
                "family": _family(name),
                "vCPUs": cores,
                "gpus": gpus,
                "memoryGB": memory,
                "maxResourceVolumeMB": disk,
            }
            for name, (cores, gpus, memory, disk) in VM_SIZES.items()
        ]
        return JSONResponse({"amlCompute": sizes, "value": sizes})

    async def usages(self, request: Request) -> Response:
        """Say how many cores the clusters may grow to, and how many there may be, of each family and in all."""
        in_all = self._usage("Total Cluster Dedicated Regional vCPUs", "dedicatedCores", self._cores())
        families = dict.fromkeys(map(_family, VM_SIZES))
        texts = {family: f"Standard {family[8:-6]} Family Cluster Dedicated vCPUs" for family in families}
        each = [self._usage(texts[family], "vmFamily", self._cores(family=family)) for family in families]
        return JSONResponse({"value": [in_all, *each], "nextLink": None})

    def _usage(self, name: str, kind: str, cores: int) -> Document:
        place = f"/subscriptions/{self._names.subscription}/usages"
        return {
            "id": place if kind == "dedicatedCores" else f"{place}/{name.replace(' ', '_')}",
            "type": f"Microsoft.MachineLearningServices/{kind}/usages",
            "unit": "Count",
            "currentValue": cores,
            "limit": _UNLIMITED if self._clusters.vm_quota is None else self._clusters.vm_quota,
            "name": {"value": name, "localizedValue": name},
        }

    async def operation(self, request: Request) -> Response:
        """Say how something that takes time has gone; here it has always ended already."""
        operation = self._state.store.get("operation", request.path_params["operation"])
        if operation is None:
            raise not_found("The operation")
        return JSONResponse(operation)

    def _find(self, request: Request) -> Document:
        name = request.path_params["name"]
        for compute in self._state.store.all("compute"):
            if compute["name"].lower() == name.lower():
                return compute
        raise not_found(f"The compute {name}")

    def _operation_of(self, failure: Document | None) -> dict[str, str]:
        number = str(uuid.uuid4())
        outcome = {"status": "Failed", "error": failure} if failure else {"status": "Succeeded"}
        self._state.store.put("operation", number, outcome)
        place = f"/subscriptions/{self._names.subscription}/providers/Microsoft.MachineLearningServices"
        place += f"/locations/{self._names.region}/computeOperationsStatus/{number}?api-version=2020-02-02"
        return {"Azure-AsyncOperation": f"https://{MANAGEMENT_HOST}{place}", "Retry-After": "1"}

    def _check(self, name: str, wanted: Document) -> None:
        if not _NAME.fullmatch(name):
            raise Refusal(
                400, "BadArgument", f"{name!r} is no name for a compute: 2 to 24 letters, digits and hyphens."
            )
        size = str(wanted.get("vmSize", "")).upper()
        if size not in VM_SIZES:
            raise Refusal(400, "BadArgument", f"The specified VM size {wanted.get('vmSize')} is not supported here.")
        scale = _scale(wanted["scaleSettings"])
        if not 0 <= scale["fewest"] <= scale["most"]:
            raise Refusal(400, "BadArgument", "minNodeCount must be from 0 to maxNodeCount.")
        self._check_quota(name, size, scale["most"])

    def _check_quota(self, name: str, size: str, most: int) -> None:
        quota = self._clusters.vm_quota
        cores = self._cores(besides=name)
        wanted = VM_SIZES[size.upper()][0] * most
        if quota is not None and cores + wanted > quota:
            error = _quota_error(f"Cores needed: {wanted}. In use: {cores}. Limit: {quota}.")
            raise Refusal(400, error["code"], error["message"])

    def _cores(self, *, besides: str = "", family: str = "") -> int:
        """Return how many cores the clusters may grow to together, or those of one family."""
        clusters = [
            compute
            for compute in self._state.store.all("compute")
            if compute["name"] != besides and family in ("", _family(compute["vmSize"].upper()))
        ]
        return sum(VM_SIZES[compute["vmSize"].upper()][0] * compute["scale"]["most"] for compute in clusters)

    def _described(self, compute: Document) -> Document:
        machines = self._clusters.machines(compute["name"])
        states = [machine["nodeState"] for machine in machines]
        scale = compute["scale"]
        return {
            "id": f"{self._names.resource}/computes/{compute['name']}",
            "name": compute["name"],
            "type": "Microsoft.MachineLearningServices/workspaces/computes",
            "location": self._names.region,
            "tags": None,
            "properties": {
                "computeType": compute.get("kind", "AmlCompute"),
                "computeLocation": self._names.region,
                "isAttachedCompute": False,
                "description": None,
                "resourceId": None,
                "provisioningState": compute["state"],
                "provisioningErrors": [{"error": error} for error in compute["errors"] or ()] or None,
                "createdOn": compute["createdOn"],
                "modifiedOn": compute["modifiedOn"],
                "properties": {
                    "vmSize": compute["vmSize"].upper(),
                    "vmPriority": compute["vmPriority"],
                    "scaleSettings": {
                        "minNodeCount": scale["fewest"],
                        "maxNodeCount": scale["most"],
                        "nodeIdleTimeBeforeScaleDown": f"PT{scale['idle_seconds']:g}S",
                    },
                    "subnet": None,
                    "allocationState": "Resizing" if {"preparing", "leaving"} & set(states) else "Steady",
                    "allocationStateTransitionTime": compute["modifiedOn"],
                    "errors": None,
                    "currentNodeCount": len(machines),
                    "targetNodeCount": len(machines),
                    "nodeStateCounts": {
                        f"{state}NodeCount": states.count(state)
                        for state in ("preparing", "running", "idle", "unusable", "leaving", "preempted")
                    },
                },
            },
        }


def _family(size: str) -> str:
    """Return the family of a size, as its quota is told: standardDSv2Family of STANDARD_DS2_V2."""
    found = _FAMILY.fullmatch(size)
    assert found is not None, size
    return f"standard{found['series']}{found['premium']}{(found['version'] or '').lower()}Family"


def _quota_error(detail: str) -> dict[str, Any]:
    return {
        "code": "ClusterCoreQuotaReached",
        "message": f"Operation results in exceeding quota limits of cores of the region. {detail}",
    }


def _scale(settings: Document) -> Document:
    return {
        "fewest": int(settings.get("minNodeCount") or 0),
        "most": int(settings["maxNodeCount"]),
        "idle_seconds": seconds_of(settings.get("nodeIdleTimeBeforeScaleDown") or "PT120S"),
    }
