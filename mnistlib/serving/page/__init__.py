"""The page that a scoring service shows at its root: draw a digit, and see what the model makes of it."""

import base64
import functools
import hashlib
from importlib.resources import files
from string import Template

# In this order: each file uses only what stands in those before it.
_SCRIPTS = ("canvas.js", "service.js", "answer.js", "page.js")


@functools.cache  # it is asked for by whoever comes
def make_page() -> bytes:
    """Return the page as one HTML document, with its style and its script in it.

    It asks its own server for ``model``, ``look`` and ``report``, and nobody for anything else.

    Examples
    --------
    >>> make_page()[:15]
    b'<!DOCTYPE html>'
    """
    page = Template(_resource("page.html")).substitute(style=_resource("page.css"), script=_script())
    return page.encode()


@functools.cache
def content_security_policy() -> str:
    """Return what to send with the page as ``Content-Security-Policy``.

    The browser then runs this script and no other, and asks no other server for anything. Styles are not held to a
    hash: the report, which is shown in a frame without an address of its own, inherits this policy, and has styles in
    its elements. They can do no harm where nothing can be fetched.

    Examples
    --------
    >>> "script-src 'sha256-" in content_security_policy()
    True
    """
    digest = base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _script() -> str:
    return "\n" + "\n".join(_resource(name) for name in _SCRIPTS)


def _resource(name: str) -> str:
    return (files("mnistlib.serving.page") / name).read_text(encoding="utf-8")
