"""Artifacts: the files of runs and models, which are blobs under ``ORIGIN/CONTAINER/PATH``."""

import posixpath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found, now, page
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class Artifacts:
    """Names and addresses of files."""

    def __init__(self, state: State) -> None:
        self._blobs = state.blobs

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        place = "{origin}/{container}"
        return [
            Route(f"/artifact/artifacts/batch/metadata/{place}", self.create, methods=["POST"]),
            Route(f"/artifact/artifacts/contentinfo/{place}/{{path:path}}", self.content),
            Route(f"/artifact/artifacts/prefix/contentinfo/{place}/{{path:path}}", self.contents),
            Route(f"/artifact/artifacts/prefix/contentinfo/{place}", self.contents),
            Route(f"/artifact/artifacts/metadata/{place}/{{path:path}}", self.metadata),
            Route(f"/artifact/artifacts/{place}", self.list_all),
            # As the plugin azureml-mlflow asks for the same, of anything and of a run.
            Route(f"/artifact/artifacts/{place}/contentinfo", self.content),
            *(
                Route(f"/history/{experiment}/runs/{{run}}/artifacts{rest}", call, methods=[method])
                for experiment in ("experiments/{experiment}", "experimentids/{experiment_id}")
                for rest, call, method in (
                    ("", self.list_all, "GET"),
                    ("/contentinfo", self.content, "GET"),
                    ("/prefix/contentinfo", self.contents, "GET"),
                    ("/batch/metadata", self.create, "POST"),
                )
            ),
        ]

    async def create(self, request: Request) -> Response:
        """Return an address to write each of several files to."""
        artifacts, addresses = {}, {}
        for wanted in (await request.json())["paths"]:
            path = wanted["path"]
            artifacts[path] = _described(request, path)
            addresses[path] = self._addressed(request, path)
        return JSONResponse({"artifacts": artifacts, "artifactContentInformation": addresses, "errors": {}})

    async def list_all(self, request: Request) -> Response:
        """List the files of a run."""
        return page([_described(request, path) for path in self._paths(request, "")])

    async def metadata(self, request: Request) -> Response:
        """Describe one file."""
        return JSONResponse(_described(request, self._existing(request)))

    async def content(self, request: Request) -> Response:
        """Return the address of one file."""
        return JSONResponse(self._addressed(request, self._existing(request)))

    async def contents(self, request: Request) -> Response:
        """Return the addresses of all files whose path begins so."""
        paths = self._paths(request, _path(request))
        return page([self._addressed(request, path) for path in paths])

    def _existing(self, request: Request) -> str:
        path = _path(request)
        if self._blobs.get(RUN_CONTAINER, _folder(request) + posixpath.normpath(path)) is None:
            raise not_found(f"The file {path}")
        return path

    def _paths(self, request: Request, prefix: str) -> list[str]:
        folder = _folder(request)
        return [blob["name"].removeprefix(folder) for blob in self._blobs.listed(RUN_CONTAINER, folder + prefix)]

    def _addressed(self, request: Request, path: str) -> Document:
        # The SDK writes "./outputs/x" of what it finds itself, and its own client then leaves the dot out.
        address = self._blobs.address(RUN_CONTAINER, _folder(request) + posixpath.normpath(path))
        return _place(request, path) | {"contentUri": address}


def _path(request: Request) -> str:
    path: str = request.path_params.get("path") or request.query_params.get("path", "")
    return path


def _owner(request: Request) -> tuple[str, str]:
    """Return the origin and the container that a request is about."""
    given = request.path_params
    return ("ExperimentRun", f"dcid.{given['run']}") if "run" in given else (given["origin"], given["container"])


def _folder(request: Request) -> str:
    return "/".join((*_owner(request), ""))


def _place(request: Request, path: str) -> Document:
    origin, container = _owner(request)
    return {"origin": origin, "container": container, "path": path}


def _described(request: Request, path: str) -> Document:
    return _place(request, path) | {"artifactId": _folder(request) + path, "createdTime": now(), "dataPath": None}
