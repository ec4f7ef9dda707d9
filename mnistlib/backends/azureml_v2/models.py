"""Model registry of a workspace, through azure-ai-ml."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import Calls, found
from mnistlib.backends.azure.registry import properties_of, register_once, version_of
from mnistlib.backends.azureml_v2.rest import WorkspaceRest
from mnistlib.errors import ModelError, ModelNotFoundError
from mnistlib.models.interfaces import Models, Registration, Services
from mnistlib.models.version import ModelVersion, require_model_name


class AzureMLv2Models(Models):
    """The registered models of a workspace, given by its ``azure.ai.ml.MLClient``."""

    def __init__(self, client: Any, rest: WorkspaceRest, calls: Calls, services: Services) -> None:
        self._client = client
        # Deletes versions: the SDK can only archive them, and azureml-core still finds these.
        self._rest = rest
        self._calls = calls
        self._services = services  # for deployments of the models

    def register(self, registration: Registration) -> ModelVersion:
        """Register a file of a run as the next version of a name; see :meth:`Registrar.register`."""
        from azure.ai.ml.entities import Model

        properties = properties_of(registration)
        first = register_once(
            self._calls,
            f"registering model {registration.name}",
            properties=properties,
            known=lambda: sorted(_versions(self._client, registration.name), key=_number),
            make=lambda: self._client.models.create_or_update(
                Model(
                    name=registration.name,
                    path=f"azureml://jobs/{registration.run_id}/outputs/artifacts/paths/{registration.file}",
                    type="custom_model",
                    description=registration.description,
                    tags=dict(registration.tags),
                    properties=properties,
                )
            ),
            delete=self._remove,
        )
        return self._version(first)

    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Return all versions of one or all names; see :meth:`Models.list`."""
        if name is not None:
            require_model_name(name)
        models = self._calls.make("listing the models", partial(_all, self._client, name))
        return sorted(map(self._version, models), key=lambda version: (version.name, -version.version))

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """Return one version, by default the newest; see :meth:`Models.get`."""
        return self._version(self._model(name, version))

    def delete(self, name: str, version: int) -> None:
        """Delete one version permanently; see :meth:`Models.delete`."""
        model = self._model(name, version)
        self._calls.make(f"deleting model {name}:{version}", partial(self._remove, model))

    def _remove(self, model: Any) -> None:
        # 404: an earlier try worked, but its answer was lost.
        found(lambda: self._rest.delete_model(f"{model.name}:{model.version}"))

    def _model(self, name: str, version: int | None) -> Any:
        require_model_name(name)
        known = self._calls.make(f"looking for model {name}", partial(_versions, self._client, name))
        fitting = [model for model in known if version in (None, _number(model))]
        if not fitting:
            raise ModelNotFoundError(self.not_found_message(name, version, f"workspace {self._client.workspace_name}"))
        return max(fitting, key=_number)

    def _version(self, model: Any) -> ModelVersion:
        created = model.creation_context and model.creation_context.created_at
        return version_of(
            model.name,
            _number(model),
            properties=dict(model.properties or {}),
            description=model.description,
            tags=model.tags,
            created=created.isoformat() if created else "",
            run_id=model.job_name,
            read=partial(self._read, model),
            services=self._services,
        )

    def _read(self, model: Any) -> bytes:
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            self._calls.make(
                f"downloading model {model.name}:{model.version}",
                lambda: self._client.models.download(model.name, version=model.version, download_path=folder),
            )
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            if len(files) != 1:
                raise ModelError(
                    f"model {model.name}:{model.version} has {len(files)} files, not 1: it was registered by another "
                    "package. Download it with the SDK"
                )
            return files[0].read_bytes()


def _number(model: Any) -> int:
    return int(model.version)


def _all(client: Any, name: str | None) -> list[Any]:
    names = [name] if name else [model.name for model in client.models.list()]
    return [model for each in names for model in _versions(client, each)]


def _versions(client: Any, name: str) -> list[Any]:
    """Return the versions of a name that are not archived; none if the name does not exist."""
    return found(lambda: [model for model in client.models.list(name) if model.version.isdecimal()]) or []
