"""Properties of a model in a workspace's registry, for both SDKs."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

from mnistlib.backends.azure.calls import Calls
from mnistlib.errors import ClusterError
from mnistlib.models.artifact import ModelDescription
from mnistlib.models.interfaces import Registration, Services
from mnistlib.models.version import ModelVersion

Model = TypeVar("Model")

# Properties of a model. Each metric is a property, visible in the portal.
_SHA256, _RUN, _FILE, _ORIGIN, _TOKEN = (
    f"mnistlib.{name}" for name in ("sha256", "run", "file", "origin", "registration")
)
_METRIC = "metric."


def properties_of(registration: Registration) -> dict[str, str]:
    """Return the properties of a model to register, with a unique token of this registration."""
    return {
        _SHA256: registration.sha256,
        _RUN: registration.run_id,
        _FILE: PurePosixPath(registration.file).name,
        _ORIGIN: json.dumps(registration.origin and asdict(registration.origin)),
        _TOKEN: secrets.token_hex(8),
    } | {f"{_METRIC}{name}": repr(value) for name, value in registration.metrics.items()}


def version_of(
    name: str,
    version: int,
    *,
    properties: Mapping[str, str],
    description: str | None,
    tags: Mapping[str, str] | None,
    created: str,
    run_id: str | None,
    read: Callable[[], bytes],
    services: Services | None = None,
) -> ModelVersion:
    """Return a registered model as a `ModelVersion`."""
    origin = json.loads(properties.get(_ORIGIN) or "null")
    return ModelVersion(
        name=name,
        version=version,
        sha256=properties.get(_SHA256, ""),
        metrics={
            key.removeprefix(_METRIC): float(value) for key, value in properties.items() if key.startswith(_METRIC)
        },
        run_id=properties.get(_RUN) or run_id or "",
        description=description or "",
        tags=dict(tags or {}),
        created=created,
        file=properties.get(_FILE, name),
        origin=origin and ModelDescription.from_content(origin),
        read=read,
        services=services,
    )


def register_once(
    calls: Calls,
    action: str,
    *,
    properties: Mapping[str, str],
    known: Callable[[], Sequence[Model]],
    make: Callable[[], Any],
    delete: Callable[[Model], Any],
) -> Model:
    """Register a model exactly once, even if answers are lost.

    `action` describes the registration in errors. The properties of the model are those of :func:`properties_of`.
    `known` returns the versions of the name, the oldest first; `make` registers the model; `delete` deletes a version.
    """

    def mine() -> list[Model]:
        return [model for model in known() if _token_of(model) == properties[_TOKEN]]

    calls.make_once(action, make, unless=mine)
    # An SDK retries by itself, too, and after a lost answer registers the model a second time.
    registered = calls.make(action, mine)
    if not registered:
        raise ClusterError(f"{action} worked, but the registry does not list it yet. Check with: mnistlib models list")
    first, *duplicates = registered
    for model in duplicates:
        calls.make(action, partial(delete, model))
    return first


def _token_of(model: Any) -> str | None:
    token: str | None = (model.properties or {}).get(_TOKEN)
    return token
