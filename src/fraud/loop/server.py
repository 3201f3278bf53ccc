"""A running server, asked over HTTP as its callers ask it."""

import http.client
import json
import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fraud.errors import Problem

PATIENCE = 10.0  # Seconds for one answer.


class Reply(NamedTuple):
    """An answer; `said` is its JSON, an empty object where there is none."""

    status: int
    said: dict[str, Any]


class Server:
    """The server at an address; redirects are not followed, as they would take the token with them."""

    def __init__(self, address: str, token: str) -> None:
        try:
            self._parts = parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
        except ValueError:
            usable = False
        if not usable:  # It is not repeated, as it may hold a password.
            raise Problem("SERVER: expected an address like https://fraud.example.com, without credentials in it")
        self.address, self._token = address.rstrip("/"), token

    def ask(self, method: str, path: str, body: Any = None, patience: float = PATIENCE) -> Reply:
        """Return the answer to a request; where none comes its status is 0."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        connection = self._connection(patience)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, self._parts.path.rstrip("/") + path, content, headers)
            answer = connection.getresponse()
            return Reply(answer.status, _object(answer.read()))
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, {"detail": f"no answer came ({type(error).__name__})"})
        finally:
            connection.close()

    def _connection(self, patience: float) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=patience)
        return http.client.HTTPSConnection(host, port, timeout=patience, context=ssl.create_default_context())

    def serves(self) -> str | None:
        """Return the md5 of the model with which it is ready, if it is."""
        reply = self.ask("GET", "/ready")
        return reply.said.get("model") if reply.status == 200 else None


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
