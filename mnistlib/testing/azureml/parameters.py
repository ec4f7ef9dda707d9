"""Values of requests: durations, ids of resources, options of listings."""

import re
from typing import TypeVar

from starlette.requests import Request

from mnistlib.testing.azureml.answers import bad_argument

_Item = TypeVar("_Item")

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?")
_UNITS = (86400, 3600, 60, 1)


def seconds_of(duration: str) -> float:
    """Return an ISO 8601 duration (``PT2M``, ``P1DT12H``) in seconds, or refuse a malformed one."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise bad_argument(f"{duration!r} is not an ISO 8601 duration.")
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), _UNITS, strict=True))


def last_parts(resource_id: str, count: int = 1) -> list[str]:
    """Return the last `count` names of a resource id: name, or name and version."""
    return resource_id.rstrip("/").split("/")[::-2][:count][::-1]


def archived_states(view: str | None) -> tuple[bool, ...]:
    """Return the values of "is archived" that a list view includes; active resources alone by default."""
    return {"archivedonly": (True,), "all": (True, False)}.get((view or "").lower(), (False,))


def first_ones(request: Request, items: list[_Item]) -> list[_Item]:
    """Return as many items as the parameter ``$top`` asks for, all by default."""
    return items[: int(request.query_params.get("$top") or len(items))]
