"""Version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

from mnistlib._distribution import DISTRIBUTION

__all__ = ["__version__"]

try:
    __version__ = version(DISTRIBUTION)
except PackageNotFoundError:  # run from source, not installed
    __version__ = "0+source"
