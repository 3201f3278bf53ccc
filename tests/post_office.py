"""An SMTP server on loopback that keeps the mail it is given."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Thread


class PostOffice(socketserver.ThreadingTCPServer):
    """It speaks as much of RFC 5321 as it takes to hand in a message, and refuses every recipient where told to."""

    daemon_threads = True

    def __init__(self, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Counter)
        self.refuses = refuses
        self.mail: list[EmailMessage] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Counter(socketserver.StreamRequestHandler):
    server: PostOffice

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            verb = line.split()[0].upper()
            if verb == b"DATA":
                self._say("354 go on")
                self.server.mail.append(self._message())
                self._say("250 kept")
            elif verb == b"RCPT" and self.server.refuses:
                self._say("550 nobody of that name")
            elif verb == b"QUIT":
                return self._say("221 bye")
            else:
                self._say("250 well")
        return None

    def _message(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return message_from_bytes(b"".join(lines), EmailMessage, policy=policy.default)

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def post_office(refuses: bool = False) -> Iterator[PostOffice]:
    """Take mail on a free port until the block ends."""
    with PostOffice(refuses) as office:
        thread = Thread(target=office.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield office
        finally:
            office.shutdown()
            thread.join()
