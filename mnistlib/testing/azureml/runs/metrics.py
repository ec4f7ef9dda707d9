"""Metrics of runs, which both generations of the SDK and MLflow write and read."""

from dataclasses import dataclass

from mnistlib.testing.azureml.answers import milliseconds
from mnistlib.testing.azureml.store import Document, Store


@dataclass(frozen=True, kw_only=True)
class Logged:
    """One logged number, with its step and its time in milliseconds since 1970."""

    value: float
    step: int
    timestamp: int


def add_metric(store: Store, run_id: str, metric: Document) -> None:
    """Add values to a run's metric; a value that is sent twice counts once."""

    def extend(known: Document) -> None:
        seen = {value["metricId"] for value in known["value"]}
        known["value"] += [value for value in metric["value"] if value["metricId"] not in seen]
        known["columns"] |= metric["columns"]

    key = f"{run_id}/{metric['name']}"
    if not store.add("metric", key, metric | {"dataContainerId": f"dcid.{run_id}"}):
        store.change("metric", key, extend)


def numbers_of(store: Store, run_id: str) -> dict[str, list[Logged]]:
    """Return the logged numbers of a run, by name and in order, without tables and texts."""
    found: dict[str, list[Logged]] = {}
    for metric in store.all("metric", prefix=f"{run_id}/"):
        name = metric["name"]
        numbers = [(value, value["data"].get(name)) for value in metric["value"]]
        logged = [
            Logged(
                value=float(number),
                step=index if value.get("step") is None else int(value["step"]),
                timestamp=milliseconds(value["createdUtc"]),
            )
            for index, (value, number) in enumerate(numbers)
            if _is_number(number)
        ]
        if logged:
            found[name] = logged
    return found


def _is_number(value: object) -> bool:
    # JSON has no literals for these three; they are written as strings.
    return isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity")
