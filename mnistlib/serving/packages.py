"""Packages that a server needs."""

from importlib.util import find_spec

#: Module -> its distribution; all of the extra "serve".
PACKAGES = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "orjson": "orjson",
    "PIL": "pillow",
    "prometheus_client": "prometheus-client",
}
#: Optional distributions that make the server faster, on systems that have them.
FASTER = ("httptools", "uvloop")


def are_installed() -> bool:
    """Return whether a server can be started here."""
    return all(map(find_spec, PACKAGES))
