"""The cluster of a workspace, through azure-ai-ml."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from mnistlib.backends.azure.calls import Calls, found
from mnistlib.backends.azure.compute import AmlCluster, AmlComputeSpec, FoundCompute


class AzureMLv2Cluster(AmlCluster):
    """A cluster of a workspace, through azure-ai-ml; the ``azure.ai.ml.MLClient`` is opened at first use."""

    def __init__(self, open_client: Callable[[], Any], spec: AmlComputeSpec, calls: Calls) -> None:
        super().__init__(spec, calls)
        self._open_client = open_client

    @property
    def _computes(self) -> Any:
        return self._open_client().compute

    def _target(self) -> Any:
        return found(lambda: self._computes.get(self.spec.name))

    def _find(self) -> FoundCompute | None:
        target = self._target()
        if target is None:
            return None
        errors = [str(error) for error in [target.provisioning_errors] if error]
        return FoundCompute(kind=target.type, state=_state_name(target.provisioning_state), errors=errors)

    def _sizes(self) -> Sequence[str]:
        return [size.name for size in self._computes.list_sizes()]

    def _begin(self) -> None:
        from azure.ai.ml.entities import AmlCompute

        wanted = AmlCompute(
            name=self.spec.name,
            size=self.spec.vm_size,
            min_instances=self.spec.min_nodes,
            max_instances=self.spec.max_nodes,
            idle_time_before_scale_down=self.spec.idle_seconds,
        )
        self._computes.begin_create_or_update(wanted)

    def _status(self) -> dict[str, Any] | None:
        target = self._target()
        if target is None:
            return None
        states = Counter(_state_of(node) for node in self._computes.list_nodes(self.spec.name))
        return {
            "state": _state_name(target.provisioning_state),
            "vm_size": target.size,
            "nodes": sum(states.values()),
            "running": states["running"],
            "idle": states["idle"],
            "preparing": states["preparing"],
            "most": target.max_instances,
        }

    def _remove(self) -> None:
        found(lambda: self._computes.begin_delete(self.spec.name))


def _state_of(node: Any) -> str:
    # Some releases of the SDK set only the field of the REST response, nodeState.
    return _state_name(node.node_state or getattr(node, "nodeState", None)).lower()


def _state_name(value: Any) -> str:
    """Return the workspace's name of a state; the SDK converts only known names to an enumeration."""
    return str(getattr(value, "value", value))
