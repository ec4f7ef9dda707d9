"""Import of names on first access (PEP 562)."""

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["imported", "lazy_names"]


def imported(reference: str) -> Any:
    """Import and return the object ``package.module:NAME``."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def lazy_names(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__`` that imports names from its modules.

    Assign it under ``if not TYPE_CHECKING``: with a module's ``__getattr__``, type checkers accept every name.

    Parameters
    ----------
    package : str
        Name of the package, for the error message.
    modules : dict
        Module of each name.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return imported(f"{modules[name]}:{name}")

    return find
