"""Durations as Azure writes them: ``PT2M``, ``PT1800S``, ``P1DT12H``."""

import re

from mnistlib.testing.azureml.answers import Refusal

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?")
_UNITS = (86400, 3600, 60, 1)


def seconds_of(duration: str) -> float:
    """Return a duration in seconds, or refuse what is none."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise Refusal(400, "BadArgument", f"{duration!r} is no duration.")
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), _UNITS, strict=True))
