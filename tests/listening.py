"""A small HTTP server in a thread, which keeps what it was sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from loopback import Server, serving


class Listener(Server):
    """It answers every POST with the same status and body."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__(_Handler)
        self.url += "/"
        self.status, self.answer = status, answer
        self.bodies: list[bytes] = []
        self.tokens: set[str | None] = set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def do_POST(self) -> None:
        self.server.tokens.add(self.headers["Authorization"])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)
        self.server.bodies.append(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def listening(status: int = 200, answer: bytes = b"{}") -> Iterator[Listener]:
    """Listen on a free port of loopback until the block ends."""
    with serving(Listener(status, answer)) as server:
        yield server
