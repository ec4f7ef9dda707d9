"""The registry of a workspace."""

import json
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from mnistlib.artifacts import ModelDescription
from mnistlib.backends.azureml_calls import NOT_FOUND, Calls, status_of
from mnistlib.backends.cloud.service import Registration
from mnistlib.errors import ModelNotFoundError
from mnistlib.models import Models, ModelVersion, require_model_name

# Properties of a model. Metrics are a property each, so that a person finds them in the portal.
_SHA256, _RUN, _FILE, _ORIGIN, _TOKEN = (
    f"mnistlib.{name}" for name in ("sha256", "run", "file", "origin", "registration")
)
_METRIC = "metric."


class AzureMLModels(Models):
    """The registered models of a workspace.

    Parameters
    ----------
    workspace : azureml.core.Workspace
        Whose.
    calls : Calls
        How the SDK is called.
    """

    def __init__(self, workspace: Any, calls: Calls) -> None:
        self._workspace = workspace
        self._calls = calls

    def register(self, registration: Registration, run: Any) -> ModelVersion:
        """Register a file of a run as the next version of a name."""
        import sklearn
        from azureml.core import Model
        from azureml.core.resource_configuration import ResourceConfiguration

        token = secrets.token_hex(8)
        origin = registration.origin
        properties = {
            _SHA256: registration.sha256,
            _RUN: registration.run_id,
            _FILE: PurePosixPath(registration.output).name,
            _ORIGIN: json.dumps(origin and asdict(origin)),
            _TOKEN: token,
        } | {f"{_METRIC}{name}": repr(value) for name, value in registration.metrics.items()}
        what = f"registering model {registration.name}"

        def mine() -> list[Any]:
            known = Model.list(self._workspace, name=registration.name)
            return sorted((model for model in known if model.properties.get(_TOKEN) == token), key=_number)

        tries: list[None] = []

        def make() -> None:
            # The answer to an earlier try may have been lost after the work was done.
            if tries and mine():
                return
            tries.append(None)
            run.register_model(
                registration.name,
                model_path=registration.output,
                tags=dict(registration.tags),
                properties=properties,
                description=registration.description,
                model_framework=Model.Framework.SCIKITLEARN,
                model_framework_version=(origin.versions if origin else {}).get("scikit-learn", sklearn.__version__),
                resource_configuration=ResourceConfiguration(cpu=1, memory_in_gb=0.5),
            )

        self._calls.make(what, make)
        # The SDK tries again by itself, too, and registers once more what it has had no answer to.
        first, *again = self._calls.make(what, mine)
        for model in again:
            self._calls.make(what, model.delete)
        return self._version(first)

    def list(self, name: str | None = None) -> Sequence[ModelVersion]:
        """Return all versions, of one name or of all; see :meth:`Models.list`."""
        if name is not None:
            require_model_name(name)
        from azureml.core import Model

        models = self._calls.make("listing the models", lambda: Model.list(self._workspace, name=name))
        return sorted(map(self._version, models), key=lambda version: (version.name, -version.version))

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """Return one version, by default the newest; see :meth:`Models.get`."""
        return self._version(self._model(name, version))

    def delete(self, name: str, version: int) -> None:
        """Remove one version for good; see :meth:`Models.delete`."""
        model = self._model(name, version)

        def delete() -> None:
            try:
                model.delete()
            except Exception:  # an earlier try, or one of the SDK's own, may have worked, and its answer been lost
                if self._look(name, version) is not None:
                    raise

        self._calls.make(f"deleting model {name}:{version}", delete)

    def _model(self, name: str, version: int | None) -> Any:
        require_model_name(name)
        model = self._calls.make(f"looking for model {name}", lambda: self._look(name, version))
        if model is None:
            raise ModelNotFoundError(self.what_there_is(name, version, f"workspace {self._workspace.name}"))
        return model

    def _look(self, name: str, version: int | None) -> Any:
        from azureml.core import Model

        try:
            return Model(self._workspace, name=name, version=version)
        except Exception as error:  # one class tells of all that can go wrong
            if status_of(error) == NOT_FOUND:
                return None
            raise

    def _version(self, model: Any) -> ModelVersion:
        properties = dict(model.properties or {})
        origin = json.loads(properties.get(_ORIGIN, "null"))
        return ModelVersion(
            name=model.name,
            version=int(model.version),
            sha256=properties.get(_SHA256, ""),
            metrics={
                name.removeprefix(_METRIC): float(value)
                for name, value in properties.items()
                if name.startswith(_METRIC)
            },
            run_id=properties.get(_RUN) or model.run_id or "",
            description=model.description or "",
            tags=dict(model.tags or {}),
            created=str(model.created_time or ""),
            file=properties.get(_FILE, model.name),
            origin=origin and ModelDescription.from_content(origin),
            read=partial(self._read, model),
        )

    def _read(self, model: Any) -> bytes:
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            path = self._calls.make(
                f"downloading model {model.name}", lambda: model.download(target_dir=folder, exist_ok=True)
            )
            return Path(path).read_bytes()


def _number(model: Any) -> int:
    return int(model.version)
