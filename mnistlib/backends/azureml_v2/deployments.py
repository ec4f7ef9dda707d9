"""Models deployed to managed online endpoints, through azure-ai-ml."""

import secrets
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import Calls, found, pause_after, reason_of
from mnistlib.backends.azure.deployments import (
    ENTRY_SCRIPT,
    AzureServices,
    is_same,
    is_taken,
    last_lines,
    new_tags,
    service_specification,
    stage_service,
    stdout_to_stderr,
    write_shipment,
)
from mnistlib.backends.azureml_v2.endpoint import EndpointService
from mnistlib.backends.azureml_v2.environments import ensure_environment
from mnistlib.backends.azureml_v2.spec import EndpointDeployment
from mnistlib.backends.cloud.staging import Shipment
from mnistlib.errors import ClusterError, DeploymentError
from mnistlib.models.version import ModelVersion

_SUCCEEDED = "Succeeded"
#: Final provisioning states.
_ENDED = (_SUCCEEDED, "Failed", "Canceled")

_PATIENCE = 60 * 60  # seconds to wait for a resource that is being created
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class AzureMLv2Services(AzureServices):
    """The deployed services of a workspace, given by its ``azure.ai.ml.MLClient``: its online endpoints."""

    def __init__(self, client: Any, calls: Calls) -> None:
        super().__init__(calls)
        self._client = client

    def deploy(
        self,
        model: ModelVersion,
        name: str,
        *,
        replace: bool = False,
        **options: Any,
    ) -> EndpointService:
        """Start a service at a managed online endpoint, and wait until it answers; see :meth:`Services.deploy`.

        An earlier deployment answers until the new one is ready. A deployment that does not start is rolled back,
        together with a new endpoint; earlier deployments keep their traffic.

        Parameters
        ----------
        model, name, replace
            As for :meth:`Services.deploy`.
        **options
            The fields of `EndpointDeployment`. The machines cost money until the service is deleted. Earlier
            deployments share the remaining traffic in their former proportions; if none remains, they are deleted.

        Raises
        ------
        DeploymentError
            If the name is not allowed or taken, or the service does not start.
        """
        given = EndpointDeployment(**options)
        traffic = given.traffic
        replaces = self._is_replacement(model, name, replace=replace)
        _require_share(traffic, replaces=replaces)
        service, shipment = self._handle(name), stage_service(model)
        earlier = self._shares_of(name) if replaces else {}
        deployment = _free_name(f"version-{model.version}", earlier)
        machines = {"instance_type": given.instance_type, "instance_count": given.instance_count}
        delete = partial(self._remove, name, deployment) if replaces else service.delete
        try:
            with self._making(name):
                reason = self._make(model, name, deployment, shipment, is_new=not replaces, **machines)
                if reason is None:
                    self._set_traffic(name, _shares(earlier, deployment, traffic))
        except ClusterError as error:
            raise ClusterError(f"{error}. {self._rolled_back(name, delete)}") from error
        if reason is not None:
            tail = last_lines(partial(service.logs_of, deployment))
            outcome = self._rolled_back(name, delete)
            raise DeploymentError(f"service {name} does not start: {reason}. {outcome}", log_tail=tail)
        if traffic == 100:
            for each in earlier:
                self._remove(name, each)
        return service

    def _shares_of(self, name: str) -> dict[str, int]:
        """Return the shares of all deployments of an endpoint, including those without traffic, which still cost."""
        deployments = self._calls.make(
            f"listing the deployments of service {name}", lambda: list(self._client.online_deployments.list(name))
        )
        shares = self._handle(name).traffic
        return {deployment.name: shares.get(deployment.name, 0) for deployment in deployments}

    def _make(
        self, model: ModelVersion, name: str, deployment: str, shipment: Shipment, *, is_new: bool, **machines: Any
    ) -> str | None:
        """Create a deployment without traffic, and its endpoint if new; return the reason if it does not start."""
        from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment

        tags = new_tags(model)
        if is_new:
            self._make_endpoint(name, tags)
        environment = self._calls.make(
            "looking for the environment", lambda: ensure_environment(self._client, service_specification())
        )
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            source = write_shipment(shipment, Path(folder))

            def settings() -> Any:  # a new object for each try: the SDK changes it
                return ManagedOnlineDeployment(
                    name=deployment,
                    endpoint_name=name,
                    model=f"azureml:{model.id}",
                    code_configuration=CodeConfiguration(code=str(source), scoring_script=ENTRY_SCRIPT),
                    environment=environment,
                    tags=dict(tags),
                    **machines,
                )

            return self._make_deployment(name, deployment, settings, tags)

    def _make_endpoint(self, name: str, tags: Mapping[str, str]) -> None:
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key", tags=dict(tags))
        look = partial(self._look_at_endpoint, name)

        def once() -> None:
            current = _settled(look)
            if current is not None and not is_same(current.tags, tags):
                raise is_taken(name)  # created by another process meanwhile; creating it again would change it
            if current is None or current.provisioning_state != _SUCCEEDED:
                _finish(self._client.online_endpoints.begin_create_or_update, endpoint)

        self._calls.make(f"creating the endpoint of service {name}", once)

    def _make_deployment(
        self, name: str, deployment: str, settings: Callable[[], Any], tags: Mapping[str, str]
    ) -> str | None:
        deployments = self._client.online_deployments

        def look() -> Any:
            current = found(lambda: deployments.get(deployment, name))
            return current if current is not None and is_same(current.tags, tags) else None

        def once() -> str | None:
            # The answer to an earlier try may have been lost, or its progress.
            if (current := _settled(look)) is not None:
                return None if current.provisioning_state == _SUCCEEDED else "the service gives no reason"
            try:
                _finish(deployments.begin_create_or_update, settings())
            except Exception as error:  # the SDK has many classes for it
                if pause_after(error) is not None or (current := _settled(look)) is None:
                    raise
                return None if current.provisioning_state == _SUCCEEDED else reason_of(error)
            return None

        return self._calls.make(f"deploying service {name}", once)

    def _set_traffic(self, name: str, shares: Mapping[str, int]) -> None:
        """Set the traffic shares of an endpoint's deployments."""

        def once() -> None:
            endpoint = _settled(partial(self._look_at_endpoint, name))
            endpoint.traffic = dict(shares)
            _finish(self._client.online_endpoints.begin_create_or_update, endpoint)

        self._calls.make(f"moving the traffic of service {name}", once)

    def _remove(self, name: str, deployment: str) -> None:
        def remove() -> None:  # 404: an earlier try worked, but its answer was lost
            found(lambda: _finish(self._client.online_deployments.begin_delete, deployment, name))

        self._calls.make(f"deleting deployment {deployment} of service {name}", remove)

    def _look_at_endpoint(self, name: str) -> Any:
        return found(lambda: self._find(name))

    def _names(self) -> Sequence[str]:
        return [endpoint.name for endpoint in self._client.online_endpoints.list()]

    def _find(self, name: str) -> Any:
        return self._client.online_endpoints.get(name)

    def _handle(self, name: str) -> EndpointService:
        return EndpointService(name, partial(self.sdk_service, name), self._client, self._calls)


def _require_share(traffic: int, *, replaces: bool) -> None:
    if traffic not in range(1, 101):
        raise DeploymentError(f"traffic must be a whole number from 1 to 100 percent, not {traffic!r}")
    if traffic != 100 and not replaces:
        raise DeploymentError("traffic= (--traffic) needs an earlier deployment: omit it for a new service")


def _free_name(name: str, taken: Mapping[str, int]) -> str:
    """Return an unused name of a deployment: an existing one would be changed while it answers."""
    return f"{name}-{secrets.token_hex(2)}" if name in taken else name


def _shares(earlier: Mapping[str, int], deployment: str, traffic: int) -> dict[str, int]:
    """Return the shares of all deployments, whole percents that add up to 100.

    Examples
    --------
    >>> _shares({"version-1": 60, "version-2": 40}, "version-3", 25)
    {'version-1': 45, 'version-2': 30, 'version-3': 25}
    >>> _shares({"version-1": 42, "version-2": 58}, "version-3", 1)
    {'version-1': 42, 'version-2': 57, 'version-3': 1}

    Without other active deployments the new one gets all traffic:

    >>> _shares({"version-1": 0}, "version-2", 25)
    {'version-2': 100}
    """
    left, total = 100 - traffic, sum(earlier.values())
    shares = {name: share * left // total for name, share in earlier.items() if share and traffic < 100}
    # The rest after rounding down goes to the deployments with the largest remainders.
    for name in sorted(shares, key=lambda name: -(earlier[name] * left % total))[: left - sum(shares.values())]:
        shares[name] += 1
    return shares | {deployment: traffic if shares else 100}


def _settled(look: Callable[[], Any]) -> Any:
    """Return a resource in its final state, or None on 404."""
    deadline, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
    while (current := look()) is not None and current.provisioning_state not in _ENDED:
        if time.monotonic() > deadline:
            raise ClusterError(f"{current.name} is still {current.provisioning_state}: check it in the studio")
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, 2 * pause)
    return current


def _finish(begin: Callable[..., Any], *arguments: Any) -> None:
    """Begin a long-running operation, and wait for its end."""
    with stdout_to_stderr():  # a thread of the SDK prints a dot for every poll
        begin(*arguments).result()
