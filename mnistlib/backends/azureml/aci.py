"""Service on an Azure container instance, through azureml-core."""

import json
from collections.abc import Callable
from typing import Any

from mnistlib.backends.azure.calls import Calls, found
from mnistlib.backends.azure.deployments import MODEL, stdout_to_stderr
from mnistlib.models.client import ScoringClient
from mnistlib.models.service import Service, ServiceStatus

#: Tag of a service without an entry script of this package.
NO_CODE = "mnistlib.no-code"

#: State of a container instance in Azure -> status; an unknown state counts as starting.
_STATUSES = {
    "Healthy": ServiceStatus.RUNNING,
    "Failed": ServiceStatus.FAILED,
    "Unhealthy": ServiceStatus.FAILED,
    "Unschedulable": ServiceStatus.FAILED,
}


class AciService(Service):
    """A service on a container instance."""

    def __init__(self, name: str, look: Callable[[], Any], calls: Calls) -> None:
        super().__init__(name)
        self._look = look  # fetches the SDK's object for the service
        self._calls = calls

    @property
    def sdk_service(self) -> Any:
        """The SDK's own object, an ``azureml.core.webservice.Webservice``, fetched now."""
        return self._look()

    @property
    def model(self) -> str:
        """The registered model that answers; see :attr:`Service.model`."""
        service = self.sdk_service
        return (service.tags or {}).get(MODEL) or ", ".join(model.id for model in service.models)

    @property
    def status(self) -> ServiceStatus:
        """Status of the service; see :attr:`Service.status`."""
        return _STATUSES.get(self.sdk_service.state, ServiceStatus.STARTING)

    @property
    def scoring_uri(self) -> str:
        """The address that takes images; see :attr:`Service.scoring_uri`."""
        return str(self.sdk_service.scoring_uri)

    @property
    def key(self) -> str | None:
        """Key for the requests, if they need one; see :attr:`Service.key`."""
        return self._key_of(self.sdk_service)

    def client(self) -> ScoringClient:
        """Return a client of the service; see :meth:`Service.client`."""
        service = self.sdk_service
        client = _NoCodeClient if NO_CODE in (service.tags or {}) else ScoringClient
        return client(str(service.scoring_uri), token=self._key_of(service))

    def logs(self) -> str:
        """Return the log of the service so far; see :meth:`Service.logs`."""
        return self._calls.make(f"fetching the logs of service {self.name}", self.sdk_service.get_logs) or ""

    def delete(self) -> None:
        """Stop and remove the service; see :meth:`Service.delete`."""
        service = self.sdk_service

        def delete() -> None:
            with stdout_to_stderr():
                found(service.delete)  # 404: an earlier try worked, but its answer was lost

        self._calls.make(f"deleting service {self.name}", delete)

    def _key_of(self, service: Any) -> str | None:
        if not service.auth_enabled:
            return None
        return str(self._calls.make(f"fetching the keys of service {self.name}", service.get_keys)[0])


class _NoCodeClient(ScoringClient):
    """Client of Azure's own server for scikit-learn's models, which answers ``{"predict": [labels]}``."""

    def ask(self, content: bytes, kind: str, *, proba: bool = False) -> Any:
        method = "predict_proba" if proba else "predict"
        request = {**json.loads(content), "method": method}
        answer = super().ask(json.dumps(request).encode(), kind)
        return answer[method] if isinstance(answer, dict) and method in answer else answer
