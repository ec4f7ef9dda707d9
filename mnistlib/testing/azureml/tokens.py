"""Bearer tokens (JSON web tokens, HS256) and signatures of blob addresses."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

#: In seconds; the SDKs renew a token with less than 95 seconds left.
LIFETIME = 12 * 3600


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass(frozen=True)
class Tokens:
    """Issues and verifies the emulator's tokens; `key` is the secret that signs them."""

    key: str

    def _signature(self, text: str) -> str:
        return _encoded(hmac.digest(self.key.encode(), text.encode(), hashlib.sha256))

    def issue(self, *, lifetime: float = LIFETIME, **claims: Any) -> str:
        """Return a token with `claims` that expires after `lifetime` seconds."""
        now = int(time.time())
        body = {"iat": now, "nbf": now, "exp": int(now + lifetime), "aud": "https://management.azure.com/", **claims}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, body))
        return f"{text}.{self._signature(text)}"

    def is_valid(self, token: str) -> bool:
        """Return whether `token` is the emulator's own and has not expired."""
        text, _, signature = token.rpartition(".")
        if not text or not hmac.compare_digest(self._signature(text).encode(), signature.encode()):
            return False
        body = text.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return bool(claims["exp"] > time.time())

    def sign_blob(self, path: str, *, expires: int) -> str:
        """Return the signature of a blob's address, valid until `expires` (seconds since 1970)."""
        return self._signature(f"blob\n{path}\n{expires}")


class AccessToken(NamedTuple):
    """A token and its expiry in seconds since 1970."""

    token: str
    expires_on: int


@dataclass(frozen=True)
class Credential:
    """A credential in the form of azure-core, with all rights in the emulator."""

    tokens: Tokens
    claims: dict[str, Any]

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a new token, for any scope."""
        return AccessToken(self.tokens.issue(**self.claims), int(time.time() + LIFETIME))
