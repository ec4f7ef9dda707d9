"""Version of the package. Imports no other module of the package, so that each of them may import it."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("mnistlib")
except PackageNotFoundError:  # run from source, not installed
    __version__ = "0+source"
