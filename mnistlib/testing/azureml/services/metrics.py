"""Metrics, as runs log them in batches."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found, page
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document


class Metrics:
    """The metrics of each run by name; several values of one name are a list."""

    def __init__(self, state: State) -> None:
        self._store = state.store
        self._runs = state.runs

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/metric/runs/{run}/batch", self.log, methods=["POST"]),
            Route("/metric/runs/{run}/list", self.list_all, methods=["POST"]),
            Route("/metric/runs/{run}/full", self.full, methods=["POST"]),
        ]

    async def log(self, request: Request) -> Response:
        """Write metrics down; a batch that is sent twice counts once."""
        run = self._find(request)
        for metric in (await request.json())["values"]:
            self._add(f"{run}/{metric['name']}", metric | {"dataContainerId": f"dcid.{run}"})
        return JSONResponse({"errors": []})

    def _add(self, key: str, metric: Document) -> None:
        def extend(known: Document) -> None:
            seen = {value["metricId"] for value in known["value"]}
            known["value"] += [value for value in metric["value"] if value["metricId"] not in seen]
            known["columns"] |= metric["columns"]

        if not self._store.add("metric", key, metric):
            self._store.change("metric", key, extend)

    async def list_all(self, request: Request) -> Response:
        """List the names of a run's metrics."""
        known = self._store.all("metric", prefix=f"{self._find(request)}/")
        return page([{"metricKey": {"name": metric["name"]}, "columns": metric["columns"]} for metric in known])

    async def full(self, request: Request) -> Response:
        """Return all values of one metric."""
        name = (await request.json())["metricName"]
        metric = self._store.get("metric", f"{self._find(request)}/{name}")
        if metric is None:
            raise not_found(f"The metric {name}")
        return JSONResponse(metric)

    def _find(self, request: Request) -> str:
        run: str = request.path_params["run"]
        if self._runs.get(run) is None:
            raise not_found(f"The run {run}")
        return run
