"""What a server is made of."""

from importlib.util import find_spec

#: Module -> the distribution that brings it; all of the extra "serve".
PACKAGES = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "orjson": "orjson",
    "PIL": "pillow",
    "prometheus_client": "prometheus-client",
}
#: Distributions that make it faster, where there are such for the system.
FASTER = ("httptools", "uvloop")


def are_installed() -> bool:
    """Return whether a server can be started here."""
    return all(map(find_spec, PACKAGES))
