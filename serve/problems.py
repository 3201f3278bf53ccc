"""What the server refuses, told as problem+json (RFC 9457): whose fault it is, and a sentence that says what to do."""

import json
from http import HTTPStatus
from typing import Any

from flask import Response

TYPE = "application/problem+json"


class Refusal(Exception):
    """An answer that is no success; raised anywhere below a route."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> None:
        """Refuse with a status, a sentence for the caller, and members of their own for programs."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra

    def response(self) -> Response:
        """Return the refusal as an HTTP response."""
        title = HTTPStatus(self.status).phrase
        body = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.extra}
        # In ASCII, as a message may repeat half a character of the caller's.
        return Response(json.dumps(body), self.status, self.headers, mimetype=TYPE)
