"""Result line of the solver's benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One measurement: its bar and description, the result, and whether the bar is cleared.

    `figures` has the numbers of `found`, for ``--json``.
    """

    bar: str
    what: str
    found: str
    cleared: bool | None
    figures: Mapping[str, Any] | None = None
