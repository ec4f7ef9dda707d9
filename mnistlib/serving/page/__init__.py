"""The page to draw on."""

from importlib.resources import files


def make_page() -> bytes:
    """Return the page, one HTML document."""
    return files(__name__).joinpath("page.html").read_bytes()


def content_security_policy() -> str:
    """Return what the page may load."""
    return "default-src 'none'"
