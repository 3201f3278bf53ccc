"""The edge of the app: each request gets an id, is timed, counted where it is refused, and logged.

It is WSGI and not Flask's own hooks, as these would cost a tenth of a request.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from serve import drain, logs

if TYPE_CHECKING:
    from serve.parts import Parts

PARTS, STARTED, REQUEST_ID, CALLER = "fraud.parts", "fraud.started", "fraud.request_id", "fraud.caller"
Environ = dict[str, Any]
LONGEST_REQUEST_ID = 128
SAFE = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]


class Edge:
    """Wraps the app; routes find what it puts into the environment of their request."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], parts: "Parts") -> None:
        """Know the app and its parts."""
        self._inner, self._parts = inner, parts

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        started = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        fits = 0 < len(given) <= LONGEST_REQUEST_ID and given.isascii() and given.isprintable()
        request_id = given if fits else secrets.token_hex(8)
        environ[PARTS], environ[STARTED], environ[REQUEST_ID] = self._parts, started, request_id

        def begin(status: str, headers: list[tuple[str, str]], *problem: Any) -> Any:
            code = int(status[:3])
            if code >= 400:
                self._parts.metrics.refused(code)
            logs.write(
                "info" if code < 500 else "error",
                "request",
                request_id=request_id,
                method=environ["REQUEST_METHOD"],
                path=_unicode(environ["PATH_INFO"]),
                status=code,
                ms=round(1000 * (time.perf_counter() - started), 3),
                caller=environ.get(CALLER),
            )
            headers = [*headers, *_unless_told(headers), *drain.farewell(environ.get("SERVER_PROTOCOL", ""))]
            return start_response(status, [*headers, ("X-Request-Id", request_id)], *problem)

        return self._inner(environ, begin)


def _unicode(path: str) -> str:
    """Return a path as its sender meant it; WSGI has a character for each byte."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


def _unless_told(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what keeps answers out of caches, and from being taken for something else, where a route says nothing."""
    told = {name for name, _ in headers}
    return [header for header in SAFE if header[0] not in told]
