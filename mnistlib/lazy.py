"""Names that are imported when they are first used (PEP 562)."""

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["imported", "lazy_names"]


def imported(reference: str) -> Any:
    """Return the object that ``package.module:NAME`` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def lazy_names(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose names are in its modules.

    Parameters
    ----------
    package : str
        The package, for the error.
    modules : dict
        Name -> module that has it.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return imported(f"{modules[name]}:{name}")

    return find
