"""What each bar of the solver's benchmark reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One measurement: what was asked, what was found, and whether the bar is cleared.

    `figures` has the numbers that `found` shows, for ``--json``.
    """

    bar: str
    what: str
    found: str
    cleared: bool | None
    figures: Mapping[str, Any] | None = None
