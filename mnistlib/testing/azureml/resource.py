"""Base class of the resources of Azure ML: their routes, and the state that all of them share."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any, ClassVar, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import listing, not_found
from mnistlib.testing.azureml.compute.clusters import Clusters
from mnistlib.testing.azureml.endpoints.scoring import Scorers
from mnistlib.testing.azureml.jobs.sweeps import Sweeps
from mnistlib.testing.azureml.names import MANAGEMENT_HOST
from mnistlib.testing.azureml.parameters import first_ones
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document
from mnistlib.testing.azureml.versions import Versions

_Handler = TypeVar("_Handler", bound=Callable[[Any, Request], Awaitable[Response]])


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The state, and the components that run jobs, sweeps and deployed models."""

    state: State
    clusters: Clusters
    sweeps: Sweeps
    scorers: Scorers


@dataclass(frozen=True, kw_only=True)
class RouteEntry:
    """One route of Azure ML, as a line of the route table.

    Its address is host and path as clients send them: ``{region}.api.azureml.ms/history/v1.0{WORKSPACE}/runs/{run}``.
    ``{WORKSPACE}`` stands for ``/subscriptions/.../workspaces/NAME``. Any version is answered.
    """

    methods: tuple[str, ...]
    address: str
    clients: str  # the generations of the SDK that send it: v1 (azureml-core), v2 (azure-ai-ml), MLflow
    purpose: str  # summary line of the handler, or the feature that the emulator lacks
    handler: str | None = None  # name of the resource's method that answers; None where the answer is 501
    unsupported: str = ""  # requests to a covered route that are answered with 501 all the same


_declared: dict[FunctionType, list[RouteEntry]] = {}


def route(methods: str, *addresses: str, by: str, unsupported: str = "") -> Callable[[_Handler], _Handler]:
    """Declare the routes that a method of a :class:`Resource` answers; an address without a host is below its base."""

    def declare(handler: _Handler) -> _Handler:
        assert isinstance(handler, FunctionType)
        purpose = (handler.__doc__ or "").partition("\n")[0]
        entries = [
            RouteEntry(
                methods=tuple(methods.split()), address=address, clients=by, purpose=purpose, unsupported=unsupported
            )
            for address in addresses
        ]
        _declared[handler] = entries + _declared.get(handler, [])  # decorators apply from the last to the first
        return handler

    return declare


def missing(methods: str, address: str, *, by: str, purpose: str) -> RouteEntry:
    """Return the entry of a route that the emulator does not cover."""
    return RouteEntry(methods=tuple(methods.split()), address=address, clients=by, purpose=purpose)


class Resource:
    """A resource of Azure ML: methods that answer its routes, over the state of the emulator."""

    base: ClassVar[str] = ""  # address that the routes of the class have in common
    not_covered: ClassVar[tuple[RouteEntry, ...]] = ()  # known routes of Azure ML that are answered with 501

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._state = runtime.state
        self._store = runtime.state.store
        self._blobs = runtime.state.blobs
        self._runs = runtime.state.runs
        self._names = runtime.state.names

    @classmethod
    def entries(cls) -> list[RouteEntry]:
        """Return the routes of the resource, covered ones first, in the order in which they are tried."""
        members = {name: member for kind in reversed(cls.__mro__) for name, member in vars(kind).items()}
        covered = [
            replace(entry, handler=name)
            for name, member in members.items()
            if isinstance(member, FunctionType)
            for entry in _declared.get(member, ())
        ]
        return [replace(entry, address=cls._whole(entry.address)) for entry in (*covered, *cls.not_covered)]

    @classmethod
    def _whole(cls, address: str) -> str:
        has_host = "." in address.partition("/")[0]
        return address if has_host else cls.base + address

    def _find(self, kind: str, key: str, subject: str | None = None) -> Document:
        """Return a document, or refuse an unknown one: ``The {subject} was not found.``, by default kind and key."""
        document = self._store.get(kind, key)
        if document is None:
            raise not_found(f"The {subject or f'{kind} {key}'}")
        return document

    def _operation_headers(self, path: str, error: Document | None, *, query: str = "") -> dict[str, str]:
        """Return the headers that lead a client to the outcome of an operation, which has always ended already."""
        number = str(uuid.uuid4())
        outcome = {"status": "Failed", "error": error} if error else {"status": "Succeeded"}
        self._store.put("operation", number, outcome)
        return {"Azure-AsyncOperation": f"https://{MANAGEMENT_HOST}{path}/{number}{query}", "Retry-After": "1"}

    def _resource(
        self, path: str, properties: Document, *, created: str | None = None, modified: str | None = None
    ) -> Document:
        """Return a resource in the form of the management interface.

        Its path below the workspace alternates kinds and names: ``models/digits/versions/3``.
        """
        parts = path.split("/")
        return {
            "id": f"{self._names.resource}/{path}",
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


class VersionedResource(Resource, ABC):
    """A resource of azure-ai-ml that has names, and versions under each name; subclasses add its registration."""

    versions: ClassVar[Versions]

    @route("GET", "", by="v2")
    async def list_names(self, request: Request) -> Response:
        """List the names."""
        return listing([self._container(name) for name in self.versions.latest(self._store)])

    @route("GET", "/{name}", by="v2")
    async def container(self, request: Request) -> Response:
        """Describe all versions of a name together."""
        name = request.path_params["name"]
        if not self._versions_of(name) and not self.versions.last_number(self._store, name):
            raise not_found(f"The {self.versions.noun} {name}")
        return JSONResponse(self._container(name))

    @route("GET", "/{name}/versions", by="v2")
    async def list_versions(self, request: Request) -> Response:
        """List the versions of a name, newest first."""
        known = self._versions_of(request.path_params["name"])[::-1]
        shown = [document for document in known if self._is_shown(document, request)]
        return listing([self._described(document) for document in first_ones(request, shown)])

    @route("GET", "/{name}/versions/{version}", by="v2")
    async def get(self, request: Request) -> Response:
        """Describe one version."""
        return JSONResponse(self._described(self._version(*self._target(request))))

    @abstractmethod
    def _described(self, document: Document) -> Document:
        """Return one version in the form of the management interface."""

    def _versions_of(self, name: str) -> list[Document]:
        return self.versions.of(self._store, name)

    def _version(self, name: str, version: str) -> Document:
        return self.versions.find(self._store, name, version)

    def _is_shown(self, document: Document, request: Request) -> bool:
        """Return whether a listing includes a version."""
        return True

    def _target(self, request: Request) -> tuple[str, str]:
        return request.path_params["name"], request.path_params["version"]

    def _deleted(self, request: Request) -> Response:
        return Response(status_code=200 if self.versions.delete(self._store, *self._target(request)) else 204)

    def _container(self, name: str) -> Document:
        """Return all versions of a name together; the next version's number is never one that was given before."""
        known = self._versions_of(name)
        properties: Document = {
            "latestVersion": str(known[-1]["version"]) if known else None,
            "nextVersion": str(self.versions.last_number(self._store, name) + 1),
            "isArchived": False,
            "tags": {},
            "properties": {},
        }
        return self._resource(f"{self._collection}/{name}", properties)

    def _version_resource(self, document: Document, properties: Document, *, created: str | None) -> Document:
        path = f"{self._collection}/{document['name']}/versions/{document['version']}"
        return self._resource(path, properties, created=created)

    @property
    def _collection(self) -> str:
        return self.base.rpartition("/")[2]
