"""Artifacts: the files of runs and models, which are blobs under ``ORIGIN/CONTAINER/PATH``."""

import posixpath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import not_found, now, page
from mnistlib.testing.azureml.data.blobs import RUN_CONTAINER
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

_PREFIX = "/prefix/contentinfo/{origin}/{container}"


def _of_run(rest: str) -> tuple[str, ...]:
    """Return the addresses of a run's artifacts in the history service, which MLflow's plugin uses."""
    base = "{region}.api.azureml.ms/history/v1.0{WORKSPACE}"
    experiments = ("experiments/{experiment}", "experimentids/{experiment_id}")
    return tuple(f"{base}/{experiment}/runs/{{run}}/artifacts{rest}" for experiment in experiments)


class Artifacts(Resource):
    """Names and addresses of files."""

    base = "{region}.api.azureml.ms/artifact/v2.0{WORKSPACE}/artifacts"
    not_covered = (
        missing("POST", "/{origin}/{container}/{path:path}", by="v1", purpose="Upload a file through the service."),
        missing("GET", "/content/{origin}/{container}/{path:path}", by="v1", purpose="Download through the service."),
        missing("DELETE", "/{origin}/{container}/{path:path}", by="v1", purpose="Delete a file."),
    )

    @route("POST", "/batch/metadata/{origin}/{container}", by="v1")
    @route("POST", *_of_run("/batch/metadata"), by="MLflow")
    async def create(self, request: Request) -> Response:
        """Return an address to upload each of several files to."""
        artifacts, addresses = {}, {}
        for wanted in (await request.json())["paths"]:
            path = wanted["path"]
            artifacts[path] = _described(request, path)
            addresses[path] = self._addressed(request, path)
        return JSONResponse({"artifacts": artifacts, "artifactContentInformation": addresses, "errors": {}})

    @route("GET", "/{origin}/{container}", by="v1, MLflow")
    @route("GET", *_of_run(""), by="MLflow")
    async def list_all(self, request: Request) -> Response:
        """List the files of a run."""
        return page([_described(request, path) for path in self._paths(request, "")])

    @route("GET", "/metadata/{origin}/{container}/{path:path}", by="v1")
    async def metadata(self, request: Request) -> Response:
        """Describe one file."""
        return JSONResponse(_described(request, self._existing(request)))

    @route("GET", "/contentinfo/{origin}/{container}/{path:path}", by="v1")
    @route("GET", "/{origin}/{container}/contentinfo", *_of_run("/contentinfo"), by="MLflow")
    async def content(self, request: Request) -> Response:
        """Return the address of one file."""
        return JSONResponse(self._addressed(request, self._existing(request)))

    @route("GET", f"{_PREFIX}/{{path:path}}", _PREFIX, by="v1")
    @route("GET", *_of_run("/prefix/contentinfo"), by="MLflow")
    async def contents(self, request: Request) -> Response:
        """Return the addresses of all files with a path prefix."""
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
        # The SDK names files that it finds itself "./outputs/x", and its own client then omits the dot.
        address = self._blobs.address(RUN_CONTAINER, _folder(request) + posixpath.normpath(path))
        return _place(request, path) | {"contentUri": address}


def _path(request: Request) -> str:
    path: str = request.path_params.get("path") or request.query_params.get("path", "")
    return path


def _owner(request: Request) -> tuple[str, str]:
    """Return the origin and the container of a request."""
    given = request.path_params
    return ("ExperimentRun", f"dcid.{given['run']}") if "run" in given else (given["origin"], given["container"])


def _folder(request: Request) -> str:
    return "/".join((*_owner(request), ""))


def _place(request: Request, path: str) -> Document:
    origin, container = _owner(request)
    return {"origin": origin, "container": container, "path": path}


def _described(request: Request, path: str) -> Document:
    return _place(request, path) | {"artifactId": _folder(request) + path, "createdTime": now(), "dataPath": None}
