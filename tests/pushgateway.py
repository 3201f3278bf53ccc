"""A real Pushgateway on loopback."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from needed import needed
from s3 import free_port

PROGRAM = shutil.which("prometheus-pushgateway")


class Pushgateway:
    """What it was told can be read back."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=5) as answer:  # noqa: S310  # our own address
            return bytes(answer.read())

    def groups(self) -> list[dict[str, Any]]:
        return json.loads(self.get("/api/v1/metrics"))["data"]

    def gauges(self) -> dict[str, float]:
        """Return the gauges of the only group, those that it adds itself aside."""
        (group,) = self.groups()
        found = {name: held["metrics"] for name, held in group.items() if isinstance(held, dict) and "metrics" in held}
        return {name: float(one["value"]) for name, (one,) in found.items() if not name.startswith("push_")}


@contextmanager
def pushgateway(folder: Path) -> Iterator[Pushgateway]:
    """Run a Pushgateway until the block ends."""
    program, port = needed(PROGRAM, "prometheus-pushgateway"), free_port()
    with (folder / "pushgateway.log").open("wb") as log:
        # Debian's keeps what it is told in /var/lib, unless another file is named.
        options = [f"--web.listen-address=127.0.0.1:{port}", f"--persistence.file={folder}/pushgateway.metrics"]
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        _await(gateway := Pushgateway(port), process)
        yield gateway
    finally:
        process.terminate()
        process.wait()


def _await(gateway: Pushgateway, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the Pushgateway ended"
        try:
            gateway.get("/-/ready")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the Pushgateway does not answer")
