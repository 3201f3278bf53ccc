"""Open MLflow's own pages on the database that `make track` writes to."""

import os
import sys

from fraud.errors import Problem, run
from fraud.loop.tracking.mlflow_place import VARIABLE, in_its_environment, place, shown


def main(port: str = "5001") -> None:
    """Serve them on loopback until Ctrl-C."""
    uri = place().uri
    if uri.startswith(("http:", "https:")):
        raise Problem(f"{VARIABLE}={shown(uri)}: that server has pages of its own; open them in a browser")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise Problem(f"MLFLOW_PORT={port}: expected a number from 1 to 65535")
    in_its_environment("fraud.loop.mlflow_pages", port)
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # Not as an argument, which everybody on this machine can read.
    print(f"http://127.0.0.1:{port}/ shows {shown(uri)} (Ctrl-C to stop)", flush=True)
    words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606  # our own Python


if __name__ == "__main__":
    run(main)
