"""Service at a managed online endpoint, through azure-ai-ml."""

from collections.abc import Callable
from typing import Any

from mnistlib.backends.azure.calls import Calls, found
from mnistlib.backends.azure.deployments import MODEL, stdout_to_stderr
from mnistlib.models.service import Service, ServiceStatus

#: State of an endpoint in Azure -> status. In other states, such as Updating, an endpoint answers.
_STATUSES = {
    "Creating": ServiceStatus.STARTING,
    "Deleting": ServiceStatus.FAILED,
    "Failed": ServiceStatus.FAILED,
    "Canceled": ServiceStatus.FAILED,
}
_MOST_LINES = 5000  # of a deployment's log


class EndpointService(Service):
    """A managed online endpoint, and the deployments that share its traffic."""

    def __init__(self, name: str, look: Callable[[], Any], client: Any, calls: Calls) -> None:
        super().__init__(name)
        self._look = look  # fetches the SDK's object for the service
        self._client = client  # an azure.ai.ml.MLClient
        self._calls = calls

    @property
    def sdk_service(self) -> Any:
        """The SDK's own object, an ``azure.ai.ml.entities.OnlineEndpoint``, fetched now."""
        return self._look()

    @property
    def traffic(self) -> dict[str, int]:
        """Each deployment's share of the requests, in percent."""
        return dict(self.sdk_service.traffic)

    @property
    def model(self) -> str:
        """The registered model that answers most requests; see :attr:`Service.model`."""
        traffic = self.traffic
        if not traffic:
            return ""
        most = max(traffic, key=lambda deployment: traffic[deployment])
        deployment = self._calls.make(
            f"looking at deployment {most} of service {self.name}",
            lambda: self._client.online_deployments.get(most, self.name),
        )
        return (deployment.tags or {}).get(MODEL) or _model_of(str(deployment.model))

    @property
    def status(self) -> ServiceStatus:
        """Status of the service; see :attr:`Service.status`."""
        endpoint = self.sdk_service
        answers = ServiceStatus.RUNNING if any(endpoint.traffic.values()) else ServiceStatus.STARTING
        return _STATUSES.get(endpoint.provisioning_state, answers)

    @property
    def scoring_uri(self) -> str:
        """The address that takes images; see :attr:`Service.scoring_uri`."""
        return str(self.sdk_service.scoring_uri)

    @property
    def key(self) -> str | None:
        """Key for the requests; see :attr:`Service.key`."""
        self._look()
        keys = self._calls.make(
            f"fetching the keys of service {self.name}", lambda: self._client.online_endpoints.get_keys(self.name)
        )
        return str(keys.primary_key if hasattr(keys, "primary_key") else keys.access_token)

    def logs(self) -> str:
        """Return the logs of the service's deployments so far; see :meth:`Service.logs`."""
        return "".join(f"{deployment}:\n{self.logs_of(deployment)}\n" for deployment in sorted(self.traffic))

    def logs_of(self, deployment: str) -> str:
        """Return the log of a deployment so far."""
        logs: str = self._calls.make(
            f"fetching the logs of deployment {deployment} of service {self.name}",
            lambda: self._client.online_deployments.get_logs(deployment, self.name, lines=_MOST_LINES),
        )
        return logs

    def delete(self) -> None:
        """Stop and remove the service; see :meth:`Service.delete`."""
        self._look()

        def delete() -> None:
            with stdout_to_stderr():  # 404: an earlier try worked, but its answer was lost
                found(lambda: self._client.online_endpoints.begin_delete(self.name).result())

        self._calls.make(f"deleting service {self.name}", delete)


def _model_of(place: str) -> str:
    """Return a model as ``name:version``, from its resource id."""
    *_, name, _, version = ["", "", *place.split("/")]
    return f"{name}:{version}" if "/models/" in place else place
