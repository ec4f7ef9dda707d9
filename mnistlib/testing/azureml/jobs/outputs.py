"""Where a job's named outputs are. An output's id is its address."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found
from mnistlib.testing.azureml.state import State


class Outputs:
    """The two questions by which the SDK finds what a job has written."""

    def __init__(self, state: State) -> None:
        self._runs = state.runs

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/history/rundata", self.run_data, methods=["POST"]),
            Route("/data/dataversion/batchGetResolvedUris", self.resolve, methods=["POST"]),
        ]

    async def run_data(self, request: Request) -> Response:
        """Describe a run with its outputs."""
        wanted = (await request.json())["runId"]
        run = self._runs.get(wanted)
        if run is None:
            raise not_found(f"The run {wanted}")
        return JSONResponse({"runMetadata": {"outputs": {}} | run, "runDefinition": run.get("runDefinition")})

    async def resolve(self, request: Request) -> Response:
        """Say where outputs are."""
        wanted = (await request.json())["values"]
        return JSONResponse({"values": {uri: {"uri": uri, "type": "uri_folder"} for uri in wanted}})
