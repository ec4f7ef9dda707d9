"""Version of the package; imports nothing of it, so that each module may import it."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("mnistlib")
except PackageNotFoundError:  # run from its source, without being installed
    __version__ = "0+source"
