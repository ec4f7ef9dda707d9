"""Metrics, as runs log them in batches; both SDKs and MLflow write to them and read from them."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import not_found, page
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document, Store


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One number that was logged, with its step and when (milliseconds since 1970)."""

    value: float
    step: int
    timestamp: int


def add_metric(store: Store, run_id: str, metric: Document) -> None:
    """Add values to a run's metric; one that is sent twice counts once."""

    def extend(known: Document) -> None:
        seen = {value["metricId"] for value in known["value"]}
        known["value"] += [value for value in metric["value"] if value["metricId"] not in seen]
        known["columns"] |= metric["columns"]

    key = f"{run_id}/{metric['name']}"
    if not store.add("metric", key, metric | {"dataContainerId": f"dcid.{run_id}"}):
        store.change("metric", key, extend)


def numbers_of(store: Store, run_id: str) -> dict[str, list[Logged]]:
    """Return the numbers that a run has logged, by name and in order; tables and texts are left out."""
    found: dict[str, list[Logged]] = {}
    for metric in store.all("metric", prefix=f"{run_id}/"):
        name = metric["name"]
        numbers = [(value, value["data"].get(name)) for value in metric["value"]]
        logged = [
            Logged(
                value=float(number),
                step=index if value.get("step") is None else int(value["step"]),
                timestamp=int(datetime.fromisoformat(value["createdUtc"]).timestamp() * 1000),
            )
            for index, (value, number) in enumerate(numbers)
            if _is_number(number)
        ]
        if logged:
            found[name] = logged
    return found


def _is_number(value: object) -> bool:
    # JSON has no word for these three, so that they are written as texts.
    return isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity")


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
            add_metric(self._store, run, metric)
        return JSONResponse({"errors": []})

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
