"""Backend in this process and on this machine."""

from typing import TYPE_CHECKING

from mnistlib.lazy import lazy_names

if TYPE_CHECKING:
    from mnistlib.backends.local.backend import LocalBackend, LocalRun

__all__ = ["LocalBackend", "LocalRun"]

__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "mnistlib.backends.local.backend"))
