"""Write ops/postman.json, the Postman collection of the API, from the OpenAPI that the server gives of itself."""

import secrets
import tempfile
from pathlib import Path
from typing import Any

from fraud.errors import Problem, run
from fraud.loop.deploy import reach
from fraud.loop.lockfile import model_here
from fraud.loop.running import free_ports, running
from fraud.loop.server import Server
from fraud.operations.collection import collection
from fraud.outputs import write_json

TARGET = "ops/postman.json"
SERVE = [".venv-serve/bin/python", "-m", "serve"]
WITHIN = 60.0  # Seconds until the server is ready.


def asked(folder: Path) -> dict[str, Any]:
    """Return the OpenAPI of the pinned model, as the server gives it; its log is in `folder`."""
    address, token = f"http://127.0.0.1:{free_ports(1)[0]}", secrets.token_urlsafe(24)
    log = {"REQUEST_LOG": f"sqlite:///{folder}/requests.db", "SPOOL": str(folder / "spool"), "TMPDIR": str(folder)}
    settings = {"HOST": "127.0.0.1", "PORT": address.rpartition(":")[2], "ADMIN_TOKEN": token, **log}
    server = Server(address, token)
    with running(SERVE, settings, address, folder) as live:
        try:
            reach(server, model_here(), WITHIN)
        except Problem as problem:
            raise Problem(f"{problem}; its last words: {live.last_words()}") from None
        return server.ask("GET", "/openapi.json").said


def main() -> None:
    """Start the server, ask it, stop it, and write the collection."""
    with tempfile.TemporaryDirectory() as folder:
        write_json(TARGET, collection(asked(Path(folder).resolve())))
    print(f"{TARGET}: import it into Postman, or run it with newman")


if __name__ == "__main__":
    run(main)
