"""Compute clusters. azureml-core reads them from the region's host; all other requests go to the management host."""

import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, bad_argument, listing, not_found, now, unsupported
from mnistlib.testing.azureml.compute.vm_sizes import VM_SIZES, cores_of, family_of, quota_name
from mnistlib.testing.azureml.parameters import seconds_of
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

#: Types of computes; an instance is only a name, and runs no jobs.
_KINDS = ("AmlCompute", "ComputeInstance")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,22}[A-Za-z0-9]")

#: Limit in the answers of an emulator without a quota.
_UNLIMITED = 1_000_000

_LOCATION = (
    "management.azure.com/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
)
#: Computes on the region's host, from which azureml-core reads them.
_REGIONAL = "{region}.api.azureml.ms/rp/workspaces{WORKSPACE}/computes"


class Computes(Resource):
    """Compute clusters of the workspace."""

    base = "management.azure.com{WORKSPACE}/computes"
    not_covered = (
        missing("POST", "/{name}/start", by="v1, v2", purpose="Start a compute instance."),
        missing("POST", "/{name}/stop", by="v1, v2", purpose="Stop a compute instance."),
        missing("POST", "/{name}/restart", by="v1, v2", purpose="Restart a compute instance."),
        missing("POST", "/{name}/listKeys", by="v1, v2", purpose="Return the keys of an attached compute."),
        missing("GET", f"{_LOCATION}/quotas", by="v1", purpose="List quotas."),
        missing("POST", f"{_LOCATION}/updateQuotas", by="v1", purpose="Change quotas."),
    )

    @route("GET", _REGIONAL, by="v1")
    @route("GET", "", by="v2")
    async def list_all(self, request: Request) -> Response:
        """List all clusters."""
        # No nextLink, not even an empty one: azureml-core checks for the key only.
        return JSONResponse({"value": [self._described(compute) for compute in self._store.all("compute")]})

    @route("GET", _REGIONAL + "/{name}", by="v1")
    @route("GET", "/{name}", by="v2")
    async def get(self, request: Request) -> Response:
        """Describe one cluster."""
        return JSONResponse(self._described(self._compute(request)))

    @route("PUT", "/{name}", by="v1, v2", unsupported="other types than AmlCompute and ComputeInstance")
    async def put(self, request: Request) -> Response:
        """Create a cluster, or change the one of this name."""
        name = request.path_params["name"]
        properties = (await request.json())["properties"]
        if properties.get("computeType") not in _KINDS:
            raise unsupported(f"the emulator does not support computes of type {properties.get('computeType')}")
        wanted = {"scaleSettings": {"maxNodeCount": 1}, **properties["properties"]}
        self._check(name, wanted)
        before = self._store.get("compute", name)
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
        self._store.put("compute", name, compute)
        if failure is None:
            self._runtime.clusters.follow(compute)
        return JSONResponse(self._described(compute), 201, headers=self._operation_of(failure))

    @route("PATCH", "/{name}", by="v1")
    async def patch(self, request: Request) -> Response:
        """Change how a cluster scales."""
        compute = self._compute(request)
        settings = (await request.json())["properties"]["properties"].get("scaleSettings")
        if settings:
            compute["scale"] = _scale(settings)
            self._check_quota(compute["name"], compute["vmSize"], compute["scale"]["most"])
        compute["modifiedOn"] = now()
        self._store.put("compute", compute["name"], compute)
        self._runtime.clusters.follow(compute)
        return JSONResponse(self._described(compute), headers=self._operation_of(None))

    @route("DELETE", "/{name}", by="v1, v2")
    async def delete(self, request: Request) -> Response:
        """Delete a cluster; its runs are cancelled."""
        compute = self._compute(request)
        self._store.delete("compute", compute["name"])
        await run_in_threadpool(self._runtime.clusters.delete, compute["name"])
        return JSONResponse({}, 202, headers=self._operation_of(None))

    @route("POST", "/{name}/listNodes", by="v1, v2")
    async def nodes(self, request: Request) -> Response:
        """List a cluster's nodes."""
        return JSONResponse({"nodes": self._runtime.clusters.machines(self._compute(request)["name"])})

    @route("GET", f"{_LOCATION}/vmSizes", by="v1, v2")
    async def vm_sizes(self, request: Request) -> Response:
        """List the sizes of machines."""
        sizes = [
            {
                "name": name,
                "family": family_of(name),
                "vCPUs": cores,
                "gpus": gpus,
                "memoryGB": memory,
                "maxResourceVolumeMB": disk,
            }
            for name, (cores, gpus, memory, disk) in VM_SIZES.items()
        ]
        return JSONResponse({"amlCompute": sizes, "value": sizes})

    @route("GET", f"{_LOCATION}/usages", by="v1, v2")
    async def usages(self, request: Request) -> Response:
        """Return the cores that the clusters may grow to, and their limits, of each family and in all."""
        in_all = self._usage("Total Cluster Dedicated Regional vCPUs", "dedicatedCores", self._cores())
        families = dict.fromkeys(map(family_of, VM_SIZES))
        each = [self._usage(quota_name(family), "vmFamily", self._cores(family=family)) for family in families]
        return listing([in_all, *each])

    def _usage(self, name: str, kind: str, cores: int) -> Document:
        place = f"/subscriptions/{self._names.subscription}/usages"
        return {
            "id": place if kind == "dedicatedCores" else f"{place}/{name.replace(' ', '_')}",
            "type": f"Microsoft.MachineLearningServices/{kind}/usages",
            "unit": "Count",
            "currentValue": cores,
            "limit": _UNLIMITED if self._runtime.clusters.vm_quota is None else self._runtime.clusters.vm_quota,
            "name": {"value": name, "localizedValue": name},
        }

    @route("GET", f"{_LOCATION}/computeOperationsStatus/{{operation}}", by="v1, v2")
    async def operation(self, request: Request) -> Response:
        """Return the outcome of an operation on a compute."""
        return JSONResponse(self._find("operation", request.path_params["operation"], "operation"))

    def _compute(self, request: Request) -> Document:
        name = request.path_params["name"]
        for compute in self._store.all("compute"):
            if compute["name"].lower() == name.lower():
                return compute
        raise not_found(f"The compute {name}")

    def _operation_of(self, failure: Document | None) -> dict[str, str]:
        path = f"/subscriptions/{self._names.subscription}/providers/Microsoft.MachineLearningServices"
        path += f"/locations/{self._names.region}/computeOperationsStatus"
        return self._operation_headers(path, failure, query="?api-version=2020-02-02")

    def _check(self, name: str, wanted: Document) -> None:
        if not _NAME.fullmatch(name):
            raise bad_argument(f"{name!r} is not a valid name for a compute: 2 to 24 letters, digits and hyphens.")
        size = str(wanted.get("vmSize", "")).upper()
        if size not in VM_SIZES:
            raise bad_argument(f"The specified VM size {wanted.get('vmSize')} is not supported here.")
        scale = _scale(wanted["scaleSettings"])
        if not 0 <= scale["fewest"] <= scale["most"]:
            raise bad_argument("minNodeCount must be from 0 to maxNodeCount.")
        self._check_quota(name, size, scale["most"])

    def _check_quota(self, name: str, size: str, most: int) -> None:
        quota = self._runtime.clusters.vm_quota
        cores = self._cores(besides=name)
        wanted = cores_of(size) * most
        if quota is not None and cores + wanted > quota:
            error = _quota_error(f"Cores needed: {wanted}. In use: {cores}. Limit: {quota}.")
            raise Refusal(400, error["code"], error["message"])

    def _cores(self, *, besides: str = "", family: str = "") -> int:
        """Return the number of cores that all clusters, or those of one family, may grow to together."""
        clusters = [
            compute
            for compute in self._store.all("compute")
            if compute["name"] != besides and family in ("", family_of(compute["vmSize"]))
        ]
        return sum(cores_of(compute["vmSize"]) * compute["scale"]["most"] for compute in clusters)

    def _described(self, compute: Document) -> Document:
        machines = self._runtime.clusters.machines(compute["name"])
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
