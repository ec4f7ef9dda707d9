"""Models deployed to Azure's container instances, through azureml-core."""

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import Calls, found, reason_of
from mnistlib.backends.azure.deployments import (
    ENTRY_SCRIPT,
    AzureServices,
    is_same,
    last_lines,
    new_tags,
    service_specification,
    stage_service,
    stdout_to_stderr,
    write_shipment,
)
from mnistlib.backends.azureml.aci import NO_CODE, AciService
from mnistlib.backends.azureml.environments import environment_of
from mnistlib.backends.azureml.spec import ContainerDeployment
from mnistlib.errors import ClusterError, DeploymentError, MnistlibError
from mnistlib.models.service import ServiceStatus
from mnistlib.models.version import ModelVersion

#: Parts of the SDK's errors: a failed deployment, and one whose operation id was lost.
_HAS_FAILED, _NOT_FOLLOWED = "non-successful terminal state", "operation information not known"

_PATIENCE = 30 * 60  # seconds to wait for a service that is being created: building an image takes long
_LOOK = "check its status: mnistlib services"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class AzureMLServices(AzureServices):
    """The deployed services of an ``azureml.core.Workspace``."""

    def __init__(self, workspace: Any, calls: Calls) -> None:
        super().__init__(calls)
        self._workspace = workspace

    def deploy(
        self,
        model: ModelVersion,
        name: str,
        *,
        replace: bool = False,
        **options: Any,
    ) -> AciService:
        """Start a service on a container instance, and wait until it answers; see :meth:`Services.deploy`.

        A new service that does not start is deleted. A failed replacement is not rolled back: the earlier service may
        have stopped answering.

        Parameters
        ----------
        model, name, replace
            As for :meth:`Services.deploy`.
        **options
            The fields of `ContainerDeployment`. Microsoft's server (``no_code``) does not check its input.

        Raises
        ------
        DeploymentError
            If the name is not allowed or taken, the options do not fit the model, or the service does not start.
        """
        given = ContainerDeployment(**options)
        for field, size in (("cpu_cores", given.cpu_cores), ("memory_gb", given.memory_gb)):
            if not size > 0:
                raise DeploymentError(f"{field} must be more than 0, not {size!r}")
        replaces = self._is_replacement(model, name, replace=replace)
        tags = new_tags(model) | ({NO_CODE: "yes"} if given.no_code else {})
        registered = self._registered(model)
        if given.no_code:
            _require_framework(registered)
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder, self._making(name):
            # Tags, not properties: a service's properties never change, even when it is replaced.
            started = self._start(
                name,
                tags,
                models=[registered],
                inference_config=None if given.no_code else _inference(model, Path(folder)),
                deployment_config=_settings(
                    cpu_cores=given.cpu_cores, memory_gb=given.memory_gb, auth_enabled=given.auth, tags=tags
                ),
                overwrite=replaces,
            )
            reason = self._failure_of(name, started)
        service = self._handle(name)
        if reason is None:
            return service
        tail = last_lines(service.logs)
        outcome = "The earlier service may have stopped" if replaces else self._rolled_back(name, service.delete)
        raise DeploymentError(f"service {name} does not start: {reason}. {outcome}", log_tail=tail)

    def _registered(self, model: ModelVersion) -> Any:
        from azureml.core import Model

        return self._calls.make(
            f"looking for model {model.id}", lambda: Model(self._workspace, name=model.name, version=model.version)
        )

    def _start(self, name: str, tags: Mapping[str, str], **options: Any) -> Any:
        """Request a service; don't request it again if only the answer to an earlier try was lost."""
        from azureml.core import Model

        def mine() -> Any:
            service = found(lambda: self._find(name))
            return service if service is not None and is_same(service.tags, tags) else None

        return self._calls.make_once(
            f"deploying service {name}", lambda: Model.deploy(self._workspace, name, **options), unless=mine
        )

    def _failure_of(self, name: str, started: Any) -> str | None:
        """Wait until a service answers and return None, or return the reason why it failed."""
        try:
            return self._calls.make(f"waiting for service {name} ({_LOOK})", lambda: _followed(started))
        except _NotFollowedError:
            return self._polled(name)

    def _polled(self, name: str) -> str | None:
        """Wait as :meth:`_failure_of` does, by polling the status of the service."""
        deadline, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
        while (status := self._handle(name).status) is ServiceStatus.STARTING:
            if time.monotonic() > deadline:
                raise ClusterError(f"service {name} is still being created ({_LOOK})")
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)
        if status is ServiceStatus.RUNNING:
            return None
        return str((self.sdk_service(name).error or {}).get("message") or "Azure gives no reason")

    def _names(self) -> Sequence[str]:
        from azureml.core import Webservice

        return [service.name for service in Webservice.list(self._workspace)]

    def _find(self, name: str) -> Any:
        from azureml.core import Webservice

        return Webservice(self._workspace, name=name)

    def _handle(self, name: str) -> AciService:
        return AciService(name, partial(self.sdk_service, name), self._calls)


class _NotFollowedError(MnistlibError):
    """The SDK can't follow a deployment: the answer with its operation id was lost."""


def _followed(started: Any) -> str | None:
    try:
        with stdout_to_stderr():
            started.wait_for_deployment(timeout_sec=_PATIENCE)
    except Exception as error:  # the SDK has one class for all errors
        if _NOT_FOLLOWED in str(error):
            raise _NotFollowedError from error
        if _HAS_FAILED not in str(error):
            raise
        return str((started.error or {}).get("message") or reason_of(error))
    return None


def _settings(**options: Any) -> Any:
    from azureml.core.webservice import AciWebservice

    return AciWebservice.deploy_configuration(**options)


def _inference(model: ModelVersion, folder: Path) -> Any:
    """Return the configuration for this package's own server, in the environment of this process."""
    from azureml.core.model import InferenceConfig

    source = write_shipment(stage_service(model), folder)
    environment = environment_of(service_specification())
    with _unwarned():
        return InferenceConfig(entry_script=ENTRY_SCRIPT, source_directory=str(source), environment=environment)


def _require_framework(registered: Any) -> None:
    """Refuse a model that is not registered as scikit-learn's, which the no-code server requires."""
    from azureml.core import Model

    if registered.model_framework != Model.Framework.SCIKITLEARN:
        raise DeploymentError(
            f"model {registered.id} is not registered with the framework ScikitLearn, which no_code requires: register "
            "it through the backend azureml, or deploy it without no_code"
        )


@contextmanager
def _unwarned() -> Iterator[None]:
    """Suppress the SDK's warning about missing azureml-defaults: its required part is installed."""
    log = logging.getLogger("azureml.core.model")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
