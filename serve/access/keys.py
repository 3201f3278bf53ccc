"""The public keys of the issuer of JSON web tokens, from a file or an address; they change while the server runs."""

import logging
import threading
import time
from pathlib import Path

from jwt import PyJWK, PyJWKClient, PyJWKSet

from serve.problems import Refusal

TIMEOUT = 2.0  # Seconds for an answer of the issuer.
PAUSE = 10.0  # Seconds between two questions to the issuer, whatever tokens ask for.
FRESH = 300.0  # Seconds after which known keys are asked for again.
KEEP = 3600.0  # Seconds for which known keys stay good while the issuer is away.
logger = logging.getLogger(__name__)


class IssuerKeys:
    """Keys by their id; one thread at a time reads them, and a token with a known key does not wait for that."""

    def __init__(self, source: str) -> None:
        """Remember where the keys are; they are read when the first token comes."""
        self._source = source
        self._client = PyJWKClient(source, cache_jwk_set=False, timeout=TIMEOUT) if "://" in source else None
        self._lock = threading.Lock()
        self._keys: dict[str | None, PyJWK] = {}
        self._stamp: tuple[int, ...] | None = ()  # Of the file that was read.
        self._tried = self._read = -KEEP

    def find(self, name: str | None) -> PyJWK | None:
        """Return the key with an id, None where the issuer has no such key, or refuse where one cannot know."""
        if self._due(name) and self._lock.acquire(blocking=not self._good(name)):
            try:
                if self._due(name):
                    self._refresh()
            finally:
                self._lock.release()
        key = self._keys.get(name)
        if not self._good(name) and (key is not None or self._read < self._tried):
            detail = "the keys of the token's issuer cannot be read (JWT_JWKS); ask again later, or use a static token"
            raise Refusal(503, detail, {"Retry-After": str(round(PAUSE))})
        return key

    def _good(self, name: str | None) -> bool:
        return name in self._keys and (self._client is None or time.monotonic() - self._read <= KEEP)

    def _due(self, name: str | None) -> bool:
        if self._client is None:
            return self._stamp != _stamp(self._source)
        now = time.monotonic()
        return now - self._tried >= PAUSE and (name not in self._keys or now - self._read >= FRESH)

    def _refresh(self) -> None:
        self._stamp = _stamp(self._source)
        try:
            self._keys = self._fetch()
        except Exception as error:  # The issuer's text may break its parser anywhere; known keys stay.
            logger.warning("JWT_JWKS: %s: no keys (%s: %s)", self._source, type(error).__name__, error)
            self._tried = time.monotonic()
        else:
            self._read = self._tried = time.monotonic()

    def _fetch(self) -> dict[str | None, PyJWK]:
        """Return the keys that verify signatures; a private key or a shared secret has no such method."""
        found = self._client.get_jwk_set() if self._client else PyJWKSet.from_json(Path(self._source).read_text())
        usable = [key for key in found.keys if hasattr(key.key, "verify")]
        return {key.key_id: key for key in usable if key.public_key_use in ("sig", None)}


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
