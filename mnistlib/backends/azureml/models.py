"""Model registry of a workspace, through azureml-core."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import NOT_FOUND, Calls, status_of
from mnistlib.backends.azure.registry import properties_of, register_once, version_of
from mnistlib.errors import ModelNotFoundError
from mnistlib.models.interfaces import Models, Registration, Services
from mnistlib.models.version import ModelVersion, require_model_name


class AzureMLModels(Models):
    """The registered models of an ``azureml.core.Workspace``."""

    def __init__(self, workspace: Any, calls: Calls, services: Services, sdk_run: Callable[[str], Any]) -> None:
        self._workspace = workspace
        self._calls = calls
        self._services = services  # for deployments of the models
        self._sdk_run = sdk_run  # returns the SDK's own object for a run, by its id

    def register(self, registration: Registration) -> ModelVersion:
        """Register a file of a run as the next version of a name; see :meth:`Registrar.register`."""
        import sklearn
        from azureml.core import Model
        from azureml.core.resource_configuration import ResourceConfiguration

        run, origin = self._sdk_run(registration.run_id), registration.origin
        properties = properties_of(registration)
        first = register_once(
            self._calls,
            f"registering model {registration.name}",
            properties=properties,
            known=lambda: sorted(Model.list(self._workspace, name=registration.name), key=_number),
            make=lambda: run.register_model(
                registration.name,
                model_path=registration.file,
                tags=dict(registration.tags),
                properties=properties,
                description=registration.description,
                model_framework=Model.Framework.SCIKITLEARN,
                model_framework_version=(origin.versions if origin else {}).get("scikit-learn", sklearn.__version__),
                resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5),
            ),
            delete=lambda model: model.delete(),
        )
        return self._version(first)

    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Return all versions of one or all names; see :meth:`Models.list`."""
        if name is not None:
            require_model_name(name)
        from azureml.core import Model

        models = self._calls.make("listing the models", lambda: Model.list(self._workspace, name=name))
        return sorted(map(self._version, models), key=lambda version: (version.name, -version.version))

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """Return one version, by default the newest; see :meth:`Models.get`."""
        return self._version(self._model(name, version))

    def delete(self, name: str, version: int) -> None:
        """Delete one version permanently; see :meth:`Models.delete`."""
        model = self._model(name, version)

        def delete() -> None:
            try:
                model.delete()
            except Exception:  # an earlier try, or a retry of the SDK, may have worked and its answer been lost
                if self._look(name, version) is not None:
                    raise

        self._calls.make(f"deleting model {name}:{version}", delete)

    def _model(self, name: str, version: int | None) -> Any:
        require_model_name(name)
        model = self._calls.make(f"looking for model {name}", lambda: self._look(name, version))
        if model is None:
            raise ModelNotFoundError(self.not_found_message(name, version, f"workspace {self._workspace.name}"))
        return model

    def _look(self, name: str, version: int | None) -> Any:
        from azureml.core import Model

        try:
            return Model(self._workspace, name=name, version=version)
        except Exception as error:  # the SDK has one class for all errors
            if status_of(error) == NOT_FOUND:
                return None
            raise

    def _version(self, model: Any) -> ModelVersion:
        return version_of(
            model.name,
            int(model.version),
            properties=dict(model.properties or {}),
            description=model.description,
            tags=model.tags,
            created=str(model.created_time or ""),
            run_id=model.run_id,
            read=partial(self._read, model),
            services=self._services,
        )

    def _read(self, model: Any) -> bytes:
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            path = self._calls.make(
                f"downloading model {model.name}", lambda: model.download(target_dir=folder, exist_ok=True)
            )
            return Path(path).read_bytes()


def _number(model: Any) -> int:
    return int(model.version)
