"""A service on one of Azure's container instances, through azureml-core."""

import json
from collections.abc import Callable
from typing import Any

from mnistlib.backends.azure.calls import Calls, found
from mnistlib.backends.azure.deployments import MODEL, talk_aside
from mnistlib.models.client import ScoringClient
from mnistlib.models.service import Service, ServiceStatus

#: Tag of a service without an entry script of ours.
NO_CODE = "mnistlib.no-code"

#: State of a container instance in Azure -> status. One that is unknown is starting.
_STATUSES = {
    "Healthy": ServiceStatus.RUNNING,
    "Failed": ServiceStatus.FAILED,
    "Unhealthy": ServiceStatus.FAILED,
    "Unschedulable": ServiceStatus.FAILED,
}


class AciService(Service):
    """A service on a container instance.

    Parameters
    ----------
    name : str
        What it is called.
    look : callable
        Returns the SDK's object for it, as it is now.
    calls : Calls
        How the SDK is called.
    """

    def __init__(self, name: str, look: Callable[[], Any], calls: Calls) -> None:
        super().__init__(name)
        self._look = look
        self._calls = calls

    @property
    def sdk_service(self) -> Any:
        """The SDK's own object, an ``azureml.core.webservice.Webservice``, as it is now."""
        return self._look()

    @property
    def model(self) -> str:
        """The registered model that answers; see :attr:`Service.model`."""
        service = self.sdk_service
        return (service.tags or {}).get(MODEL) or ", ".join(model.id for model in service.models)

    @property
    def status(self) -> ServiceStatus:
        """What has become of it; see :attr:`Service.status`."""
        return _STATUSES.get(self.sdk_service.state, ServiceStatus.STARTING)

    @property
    def scoring_uri(self) -> str:
        """The address that takes images; see :attr:`Service.scoring_uri`."""
        return str(self.sdk_service.scoring_uri)

    @property
    def key(self) -> str | None:
        """What a request must carry; see :attr:`Service.key`."""
        return self._key_of(self.sdk_service)

    def client(self) -> ScoringClient:
        """Return a client of the service; see :meth:`Service.client`."""
        service = self.sdk_service
        client = _NoCodeClient if NO_CODE in (service.tags or {}) else ScoringClient
        return client(str(service.scoring_uri), token=self._key_of(service))

    def logs(self) -> str:
        """Return what the service has said so far; see :meth:`Service.logs`."""
        return self._calls.make(f"fetching the logs of service {self.name}", self.sdk_service.get_logs) or ""

    def delete(self) -> None:
        """End the service and forget it; see :meth:`Service.delete`."""
        service = self.sdk_service

        def delete() -> None:
            with talk_aside():
                found(service.delete)  # an earlier try may have worked, and its answer been lost

        self._calls.make(f"deleting service {self.name}", delete)

    def _key_of(self, service: Any) -> str | None:
        if not service.auth_enabled:
            return None
        return str(self._calls.make(f"fetching the keys of service {self.name}", service.get_keys)[0])


class _NoCodeClient(ScoringClient):
    """Asks the service's own server for scikit-learn's models, which answers ``{"predict": [labels]}``."""

    def ask(self, content: bytes, kind: str, *, proba: bool = False) -> Any:
        wanted = "predict_proba" if proba else "predict"
        asked = {**json.loads(content), "method": wanted}
        answer = super().ask(json.dumps(asked).encode(), kind)
        return answer[wanted] if isinstance(answer, dict) and wanted in answer else answer
