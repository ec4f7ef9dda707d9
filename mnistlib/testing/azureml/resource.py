"""What the resources of the management interface have in common: how they are found, and how they are written down."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.store import Document, Store

Endpoint = Callable[[Request], Awaitable[Response]]

#: The part of a management path that names the workspace, as `room_path` leaves it.
ROOM = "/arm/workspace"


class AnyCaseRoute(Route):
    """A route whose fixed words match in any case, as Azure's do; what stands for its variables is kept as it is."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)


def routes_of_versions(
    kind: str,
    *,
    names: Endpoint,
    container: Endpoint,
    versions: Endpoint,
    get: Endpoint,
    put: Endpoint,
    delete: Endpoint | None = None,
) -> list[Route]:
    """Return the routes of resources that have versions: of their names, of all versions of one, of one version."""
    one = f"{ROOM}/{kind}/{{name}}"
    routes: list[Route] = [
        AnyCaseRoute(f"{ROOM}/{kind}", names),
        AnyCaseRoute(one, container),
        AnyCaseRoute(f"{one}/versions", versions),
        AnyCaseRoute(f"{one}/versions/{{version}}", get),
        AnyCaseRoute(f"{one}/versions/{{version}}", put, methods=["PUT"]),
    ]
    if delete is not None:
        routes.append(AnyCaseRoute(f"{one}/versions/{{version}}", delete, methods=["DELETE"]))
    return routes


def resource(
    names: Names, path: str, properties: Document, *, created: str | None = None, modified: str | None = None
) -> Document:
    """Return the document of a resource.

    Parameters
    ----------
    names : Names
        For the workspace's own id.
    path : str
        Where it is in the workspace, such as ``models/digits/versions/3``: alternating kinds and names.
    properties : dict
        What is special to its kind.
    created : str or None
        When it was made.
    modified : str or None
        When it was changed last, if it ever was.
    """
    parts = path.split("/")
    return {
        "id": f"{names.resource}/{path}",
        "name": parts[-1],
        "type": "/".join(["Microsoft.MachineLearningServices/workspaces", *parts[::2]]),
        "properties": properties,
        "systemData": {
            "createdAt": created,
            "createdBy": "loopback",
            "createdByType": "Application",
            "lastModifiedAt": modified or created,
        },
    }


def listing(resources: list[Document]) -> JSONResponse:
    """Answer with all of a list at once."""
    return JSONResponse({"value": resources, "nextLink": None})


def last_parts(resource_id: str, count: int = 1) -> list[str]:
    """Return the last `count` names of a resource's id: name, or name and version."""
    return resource_id.rstrip("/").split("/")[::-2][:count][::-1]


def container_of(store: Store, counter: str, versions: list[str]) -> Document:
    """Return the properties of the container of all `versions` of one name; the last of them is the latest.

    The version that is to come next is counted up and never one that was given before, even if that is deleted.
    """
    return {
        "latestVersion": versions[-1] if versions else None,
        "nextVersion": str(store.last_number(counter) + 1),
        "isArchived": False,
        "tags": {},
        "properties": {},
    }


def count_up_to(store: Store, counter: str, version: str) -> None:
    """Let the versions that are still to come begin after `version`, if it is a number."""
    if version.isdecimal():
        store.raise_number(counter, int(version))
