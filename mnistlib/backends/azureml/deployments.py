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
    talk_aside,
    written,
)
from mnistlib.backends.azureml.aci import NO_CODE, AciService
from mnistlib.backends.azureml.environments import environment_of
from mnistlib.backends.azureml.spec import ContainerDeployment
from mnistlib.errors import ClusterError, DeploymentError, MnistlibError
from mnistlib.models.service import ServiceStatus
from mnistlib.models.version import ModelVersion

#: How the SDK begins to tell of a deployment that has failed, and of one that it can't follow.
_HAS_FAILED, _NOT_FOLLOWED = "non-successful terminal state", "operation information not known"

_PATIENCE = 30 * 60  # seconds until a service that is still being made is no longer waited for: an image takes long
_LOOK = "what has become of it is shown by: mnistlib services"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class AzureMLServices(AzureServices):
    """The deployed services of a workspace.

    Parameters
    ----------
    workspace : azureml.core.Workspace
        Whose.
    calls : Calls
        How the SDK is called.
    """

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

        A service that does not start is deleted again. One that was to be replaced is left as that has left it: it
        may answer as before, or no longer.

        Parameters
        ----------
        model, name, replace
            As :meth:`Services.deploy` takes them.
        **options
            As `ContainerDeployment` has them. A server of Microsoft's (``no_code``) does not check its input.

        Raises
        ------
        DeploymentError
            If the name is not allowed or taken, the model can't be deployed in that way, or the service does not start.
        """
        given = ContainerDeployment(**options)
        for what, size in (("cpu_cores", given.cpu_cores), ("memory_gb", given.memory_gb)):
            if not size > 0:
                raise DeploymentError(f"{what} must be more than 0, not {size!r}")
        replaces = self._taken(model, name, replace=replace)
        tags = new_tags(model) | ({NO_CODE: "yes"} if given.no_code else {})
        registered = self._registered(model)
        if given.no_code:
            _require_framework(registered)
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder, self._making(name):
            # Of tags, not properties: a service's properties never change, not even with what it is replaced by.
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
            reason = self._why_not(name, started)
        service = self._handle(name)
        if reason is None:
            return service
        tail = last_lines(service.logs)
        end = "What it was to replace may answer no longer" if replaces else self._deleted(name, service.delete)
        raise DeploymentError(f"service {name} does not start: {reason}. {end}", log_tail=tail)

    def _registered(self, model: ModelVersion) -> Any:
        from azureml.core import Model

        return self._calls.make(
            f"looking for model {model.id}", lambda: Model(self._workspace, name=model.name, version=model.version)
        )

    def _start(self, name: str, tags: Mapping[str, str], **options: Any) -> Any:
        """Ask for a service; not again where the answer to an earlier try was lost after the work was done."""
        from azureml.core import Model

        def mine() -> Any:
            there = found(lambda: self._find(name))
            return there if there is not None and is_same(there.tags, tags) else None

        return self._calls.make_once(
            f"deploying service {name}", lambda: Model.deploy(self._workspace, name, **options), unless=mine
        )

    def _why_not(self, name: str, started: Any) -> str | None:
        """Wait until a service answers, and return None; or why it never will."""
        try:
            return self._calls.make(f"waiting for service {name} ({_LOOK})", lambda: _followed(started))
        except _NotFollowedError:
            return self._seen(name)

    def _seen(self, name: str) -> str | None:
        """Wait as :meth:`_why_not` does, by looking at the service from time to time."""
        deadline, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
        while (status := self._handle(name).status) is ServiceStatus.STARTING:
            if time.monotonic() > deadline:
                raise ClusterError(f"service {name} is still being made ({_LOOK})")
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
    """The SDK does not know how the deployment of a service goes: the answer that told it was lost."""


def _followed(started: Any) -> str | None:
    try:
        with talk_aside():
            started.wait_for_deployment(timeout_sec=_PATIENCE)
    except Exception as error:  # one class tells of all that can go wrong
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
    """Return how the model is answered with: by this package, in the environment that runs here."""
    from azureml.core.model import InferenceConfig

    source = written(stage_service(model), folder)
    environment = environment_of(service_specification())
    with _unwarned():
        return InferenceConfig(entry_script=ENTRY_SCRIPT, source_directory=str(source), environment=environment)


def _require_framework(registered: Any) -> None:
    """Refuse a model of which the service does not know how to answer with it."""
    from azureml.core import Model

    if registered.model_framework != Model.Framework.SCIKITLEARN:
        raise DeploymentError(
            f"model {registered.id} does not say that it is scikit-learn's, which the service must know to answer with "
            "it without code: register it through the backend azureml, or deploy it without no_code"
        )


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keep the SDK from warning that azureml-defaults is missing: what is needed of it is there."""
    log = logging.getLogger("azureml.core.model")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
