"""Certificates that sign themselves, made by openssl."""

import subprocess
from pathlib import Path


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def certificate(folder: Path, name: str = "server", kind: str = "rsa:2048") -> dict[str, str]:
    """Return the settings of a new certificate of this machine, and of its key."""
    paths = {"TLS_CERT": str(folder / f"{name}.crt"), "TLS_KEY": str(folder / f"{name}.key")}
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-out", paths["TLS_CERT"], "-keyout", paths["TLS_KEY"]]
    openssl("req", "-x509", "-newkey", *kind.split(), "-nodes", "-days", "2", *names, *files)
    return paths
