"""Backends with run folders on this machine; `LocalBackend` runs jobs in this process."""

from typing import TYPE_CHECKING

from mnistlib.lazy import lazy_names

if TYPE_CHECKING:
    from mnistlib.backends.local.backend import LocalBackend
    from mnistlib.backends.local.folders import FolderBackend, perform_in_folder
    from mnistlib.backends.local.run import LocalRun

__all__ = ["FolderBackend", "LocalBackend", "LocalRun", "perform_in_folder"]

_MODULES = {
    "FolderBackend": "folders",
    "LocalBackend": "backend",
    "LocalRun": "run",
    "perform_in_folder": "folders",
}
if not TYPE_CHECKING:  # a type checker would accept any name
    __getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
