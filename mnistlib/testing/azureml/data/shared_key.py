"""Signature of requests to a storage account by its key, after Azure's documentation of Shared Key."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

#: The standard headers that are signed, in this order.
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def shared_key_signature(
    key: str, account: str, *, method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str]
) -> str:
    """Return the signature of a request by the key of an account, in base64.

    `path` is quoted, as in the address; `query` is not. The names of `headers` are in lower case.
    """
    standard = [headers.get(name, "") for name in _SIGNED]
    standard[_SIGNED.index("content-length")] = headers.get("content-length", "").removeprefix("0")
    own = [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-ms-")]
    resource = [f"/{account}{path}", *(f"{name.lower()}:{value}" for name, value in sorted(query))]
    text = "\n".join([method, *standard, *own, *resource])
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()
