"""Page at the root of a scoring service: draw a digit, and see the model's label."""

import base64
import functools
import hashlib
from importlib.resources import files
from string import Template

# In this order: each file uses only names of earlier files.
_SCRIPTS = ("canvas.js", "service.js", "answer.js", "page.js")


@functools.cache  # for every visitor
def make_page() -> bytes:
    """Return the page as one HTML document that contains its style and its script.

    The page requests ``model``, ``look`` and ``report`` from its own server, and nothing else.

    Examples
    --------
    >>> make_page()[:15]
    b'<!DOCTYPE html>'
    """
    page = Template(_resource("page.html")).substitute(style=_resource("page.css"), script=_script())
    return page.encode()


@functools.cache
def content_security_policy() -> str:
    """Return the ``Content-Security-Policy`` header of the page.

    With it, the browser runs only this script and connects only to this server. Inline styles are allowed without a
    hash: the report, which is shown in a frame without a URL, inherits this policy and has style attributes. They are
    harmless, since nothing can be fetched.

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
