"""Environments of azureml-core."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import page
from mnistlib.testing.azureml.environments.definitions import ENVIRONMENTS, find_environment
from mnistlib.testing.azureml.resource import Resource, missing, route

_BUILDS = "{region}.api.azureml.ms/environment/v2.0{WORKSPACE}/environments/{name}/versions/{version}"


class EnvironmentsV1(Resource):
    """Environments by name and version."""

    base = "{region}.api.azureml.ms/environment/v1.0{WORKSPACE}/environments"
    not_covered = (
        missing("GET", "/{name}/versions/{version}/image", by="v1", purpose="Describe the image of a version."),
        missing("GET", "/{name}/versions/{version}/recipe", by="v1", purpose="Return the Dockerfile of a version."),
        missing("GET", "/{name}/labels/{label}", by="v1", purpose="Describe the version with a label."),
        missing("POST", f"{_BUILDS}/image", by="v1", purpose="Build the image of a version."),
    )

    @route("GET", "/", by="v1")
    async def list_all(self, request: Request) -> Response:
        """List the latest version of each."""
        return page(list(ENVIRONMENTS.latest(self._store).values()))

    @route("PUT", "/{name}", "/{name}/versions/{version}", by="v1")
    async def put(self, request: Request) -> Response:
        """Register an environment; an unchanged one gets no new version."""
        name = request.path_params["name"]
        # Some keys are sent with a capital letter, and all are read with a small one.
        definition = {key[:1].lower() + key[1:]: value for key, value in (await request.json()).items()}
        definition |= {"name": name, "version": None}
        latest = ENVIRONMENTS.of(self._store, name)[-1:]
        if latest and latest[0] | {"version": None} == definition:
            return JSONResponse(latest[0])
        version = request.path_params.get("version") or ENVIRONMENTS.next_version(self._store, name)
        definition["version"] = version
        return JSONResponse(self._store.put("environment", f"{name}/{version}", definition))

    @route("GET", "/{name}", "/{name}/versions/{version}", by="v1")
    async def get(self, request: Request) -> Response:
        """Describe one version, the latest by default."""
        given = request.path_params
        return JSONResponse(find_environment(self._store, given["name"], given.get("version")))
