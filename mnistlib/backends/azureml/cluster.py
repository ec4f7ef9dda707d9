"""The cluster of a workspace, through azureml-core."""

from collections.abc import Callable, Sequence
from typing import Any

from mnistlib.backends.azure.calls import NOT_FOUND, Calls, reason_of, status_of
from mnistlib.backends.azure.compute import AmlCluster, AmlComputeSpec, FoundCompute


class AzureMLCluster(AmlCluster):
    """A cluster of a workspace, through azureml-core; the ``azureml.core.Workspace`` is opened at first use."""

    def __init__(self, open_workspace: Callable[[], Any], spec: AmlComputeSpec, calls: Calls) -> None:
        super().__init__(spec, calls)
        self._open_workspace = open_workspace

    def _target(self) -> Any:
        from azureml.core.compute import ComputeTarget

        try:
            return ComputeTarget(self._open_workspace(), self.spec.name)
        except Exception as error:  # the SDK has one class for all errors
            if status_of(error) == NOT_FOUND:
                return None
            raise

    def _find(self) -> FoundCompute | None:
        target = self._target()
        if target is None:
            return None
        errors = [reason_of(Exception(str(error))) for error in target.provisioning_errors or []]
        return FoundCompute(kind=target.type, state=target.provisioning_state, errors=errors)

    def _sizes(self) -> Sequence[str]:
        from azureml.core.compute import AmlCompute

        return [size["name"] for size in AmlCompute.supported_vmsizes(self._open_workspace())]

    def _begin(self) -> None:
        from azureml.core.compute import AmlCompute, ComputeTarget

        configuration = AmlCompute.provisioning_configuration(
            vm_size=self.spec.vm_size,
            min_nodes=self.spec.min_nodes,
            max_nodes=self.spec.max_nodes,
            idle_seconds_before_scaledown=self.spec.idle_seconds,
        )
        ComputeTarget.create(self._open_workspace(), self.spec.name, configuration)

    def _status(self) -> dict[str, Any] | None:
        target = self._target()
        if target is None:
            return None
        status = target.get_status()
        if status is None:
            return {"state": target.provisioning_state}
        nodes = status.node_state_counts
        return {
            "state": target.provisioning_state,
            "vm_size": status.vm_size,
            "nodes": status.current_node_count,
            "running": nodes.running_node_count,
            "idle": nodes.idle_node_count,
            "preparing": nodes.preparing_node_count,
            "most": status.scale_settings.maximum_node_count,
        }

    def _remove(self) -> None:
        target = self._target()
        if target is None:
            return
        try:
            target.delete()
        except Exception as error:  # the SDK has one class for all errors
            if status_of(error) != NOT_FOUND:  # 404: an earlier try worked, but its answer was lost
                raise
