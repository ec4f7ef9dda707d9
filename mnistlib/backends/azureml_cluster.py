"""The cluster of a workspace: found or made, before anything is submitted."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from mnistlib.backends.azureml_calls import NOT_FOUND, Calls, reason_of, status_of
from mnistlib.backends.azureml_compute import AmlComputeSpec
from mnistlib.errors import ComputeError, ServiceError

_KIND = "AmlCompute"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_PATIENCE = 20 * 60  # seconds until a cluster that is still being made counts as failed

_log = logging.getLogger("mnistlib")


class AzureMLCluster:
    """A cluster of a workspace.

    Parameters
    ----------
    open_workspace : callable
        Returns the ``azureml.core.Workspace``; called when it is first needed.
    spec : AmlComputeSpec
        What it is called, and what it is like where it has to be made.
    calls : Calls
        How the SDK is called.
    """

    def __init__(self, open_workspace: Callable[[], Any], spec: AmlComputeSpec, calls: Calls) -> None:
        self.spec = spec
        self._open_workspace = open_workspace
        self._calls = calls
        self._ready = False

    @property
    def _workspace(self) -> Any:
        return self._open_workspace()

    def ensure(self) -> None:
        """Find the cluster or make it, and wait until jobs can be sent to it.

        Raises
        ------
        ComputeError
            If the name is taken by another kind of compute, or the cluster can't be made; the message says why and
            what to do.
        """
        if self._ready:
            return
        target = self._find() or self._create()
        if target.type != _KIND:
            raise ComputeError(
                f"{self.spec.name} is a {target.type} and no cluster: choose another name (AML_COMPUTE_CLUSTER_NAME)"
            )
        self._wait(target)
        self._ready = True

    def status(self) -> dict[str, Any] | None:
        """Return how many nodes there are and what they do; None where there is no cluster."""
        target = self._find()
        if target is None:
            return None
        status = self._calls.make(f"looking at {self.spec.name}", target.get_status)
        if status is None:
            return {"state": target.provisioning_state}
        nodes = status.node_state_counts
        return {
            "state": target.provisioning_state,
            "vm_size": status.vm_size,
            "nodes": status.current_node_count,
            "wanted": status.target_node_count,
            "running": nodes.running_node_count,
            "idle": nodes.idle_node_count,
            "preparing": nodes.preparing_node_count,
            "most": status.scale_settings.maximum_node_count,
        }

    def delete(self) -> None:
        """Delete the cluster, where there is one, and wait until that is done."""
        target = self._find()
        self._ready = False
        if target is not None:
            self._calls.make(f"deleting {self.spec.name}", partial(_delete, target))
            self._wait_until_gone()

    def _find(self) -> Any:
        from azureml.core.compute import ComputeTarget

        def look() -> Any:
            try:
                return ComputeTarget(self._workspace, self.spec.name)
            except Exception as error:  # one class tells of all that can go wrong
                if status_of(error) == NOT_FOUND:
                    return None
                raise

        return self._calls.make(f"looking for cluster {self.spec.name}", look)

    def _create(self) -> Any:
        from azureml.core.compute import AmlCompute, ComputeTarget

        sizes = self._calls.make("listing the VM sizes", lambda: AmlCompute.supported_vmsizes(self._workspace))
        names = [size["name"] for size in sizes]
        if names and self.spec.vm_size.lower() not in map(str.lower, names):
            raise ComputeError(
                f"there is no VM size {self.spec.vm_size!r} in {self._workspace.location}; there are "
                f"{', '.join(names[:10])}{' …' if len(names) > 10 else ''}. Choose one (AML_COMPUTE_CLUSTER_SKU)"
            )
        _log.info("making the cluster %s", self.spec)
        configuration = AmlCompute.provisioning_configuration(
            vm_size=self.spec.vm_size,
            min_nodes=self.spec.min_nodes,
            max_nodes=self.spec.max_nodes,
            idle_seconds_before_scaledown=self.spec.idle_seconds,
        )
        try:
            return self._calls.make(
                f"making cluster {self.spec.name}",
                lambda: self._find() or ComputeTarget.create(self._workspace, self.spec.name, configuration),
            )
        except ServiceError as error:
            raise self._failure(str(error)) from error

    def _wait(self, target: Any) -> None:
        deadline = time.monotonic() + _PATIENCE
        pause = _FIRST_PAUSE
        while target.provisioning_state not in ("Succeeded", "Updating"):
            if target.provisioning_state in ("Failed", "Canceled"):
                raise self._failure(_why(target))
            if time.monotonic() > deadline:
                raise ComputeError(f"cluster {self.spec.name} is still not ready after {_PATIENCE // 60} minutes")
            _log.info("cluster %s: %s", self.spec.name, target.provisioning_state)
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE)
            self._calls.make(f"looking at cluster {self.spec.name}", target.refresh_state)

    def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        pause = _FIRST_PAUSE
        while self._find() is not None:
            if time.monotonic() > deadline:
                raise ComputeError(f"cluster {self.spec.name} is still there after {_PATIENCE // 60} minutes")
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE)

    def _failure(self, reason: str) -> ComputeError:
        if "quota" in reason.lower():
            return ComputeError(
                f"there is no quota for cluster {self.spec.name} ({self.spec.max_nodes} nodes of {self.spec.vm_size}): "
                f"{reason}. Ask for fewer nodes (AML_COMPUTE_CLUSTER_MAX_NODES), another size "
                "(AML_COMPUTE_CLUSTER_SKU), or more quota in the portal"
            )
        return ComputeError(
            f"cluster {self.spec.name} could not be made: {reason}. Delete it before the next try, with "
            "backend.compute.delete()"
        )


def _delete(target: Any) -> None:
    try:
        target.delete()
    except Exception as error:  # one class tells of all that can go wrong
        if status_of(error) != NOT_FOUND:  # an earlier try may have worked, and its answer been lost
            raise


def _why(target: Any) -> str:
    errors = target.provisioning_errors or []
    return "; ".join(reason_of(Exception(str(error))) for error in errors) or "the service gives no reason"
