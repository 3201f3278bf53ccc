"""A real S3 server on loopback, whose objects are plain files, and working copies that know its key."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples import ROOT
from repositories import BIN, Repository, warmed

KEY, SECRET = "a-key", "a-secret-that-git-must-never-see"
CONFIG = """\
[core]
    analytics = false
    check_update = false
    remote = local
['remote "local"']
    url = ../.dvc-remote
    verify = true
"""


class Server:
    """One folder inside `folder` is one bucket."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = process

    def set(self, key: str, content: bytes | None) -> None:
        """Write the plain file of an object, or remove it; the server forgets what it knew of its folders."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        # With --dir-cache-time 0 rclone 1.75 would notice by itself, and after some 20 uploads spin for minutes.
        self.process.send_signal(signal.SIGHUP)

    def objects(self) -> dict[Path, bytes]:
        """Return all objects of all buckets."""
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    @contextmanager
    def changed(self, key: str, content: bytes | None) -> Iterator[None]:
        """Change an object for a while."""
        before = (self.folder / key).read_bytes()
        self.set(key, content)
        try:
            yield
        finally:
            self.set(key, before)


@contextmanager
def serving(folder: Path, *buckets: str) -> Iterator[Server]:
    """Serve the buckets in `folder` until the block ends."""
    for bucket in buckets:
        (folder / bucket).mkdir(parents=True)
    port = free_port()
    words = ["serve", "s3", "--config", os.devnull, "--auth-key", f"{KEY},{SECRET}", "--addr", f"127.0.0.1:{port}"]
    process = subprocess.Popen([BIN / "rclone", *words, folder], stderr=subprocess.DEVNULL)
    try:
        server = Server(folder, port, process)
        _await(server)
        yield server
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await(server: Server) -> None:
    for _ in range(2400):  # A loaded machine takes a minute.
        assert server.process.poll() is None, "rclone ended"
        try:
            urllib.request.urlopen(server.endpoint, timeout=1)  # noqa: S310  # our own address
        except urllib.error.HTTPError:  # It wants a signature: it is there.
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("rclone does not answer")


class Copy(Repository):
    """A small repository with .dvc/config as ours has it; its programs know the key of the server."""

    proof = SECRET

    def settings(self) -> dict[str, str]:
        """Return what programs have to know to reach the server."""
        found = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": self.proof,
            "AWS_CONFIG_FILE": f"{self.path}.none",
            "AWS_SHARED_CREDENTIALS_FILE": f"{self.path}.none",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "DVC_SITE_CACHE_DIR": f"{self.path}.site",
            "PATH": warmed()["PATH"],
            "PYTHONPATH": f"{ROOT}/src",
        }
        return {name: value for name, value in found.items() if value}

    def run(self, *command: str, code: int = 0) -> str:
        given = [f"{name}={value}" for name, value in self.settings().items()]
        return super().run("env", *given, *command, code=code)

    def loop(self, verb: str, *arguments: str, code: int = 0) -> str:
        """Do what `make <verb>` does."""
        return self.run("python", "-m", f"fraud.loop.{verb}", *arguments, code=code)

    def write(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(content)

    def pin(self, files: dict[str, str]) -> None:
        """Write files and commit what `dvc add week model.onnx` would make of them, without the time that it takes."""
        self.write(files)
        weeks = sorted((self.path / "week").iterdir())
        listed = [{"md5": self.keep(path.read_bytes()), "relpath": path.name} for path in weeks]
        manifest = self.keep(json.dumps(listed).encode(), ".dir")
        model = self.keep((self.path / "model.onnx").read_bytes())
        self.write(
            {
                "week.dvc": f"outs:\n- md5: {manifest}\n  nfiles: {len(listed)}\n  hash: md5\n  path: week\n",
                "model.onnx.dvc": f"outs:\n- md5: {model}\n  hash: md5\n  path: model.onnx\n",
                ".gitignore": "/week\n/model.onnx\n",
            }
        )
        self.commit()

    def keep(self, content: bytes, ending: str = "") -> str:
        """Put bytes into the cache, and return their md5."""
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + ending
        path = self.path / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return md5

    def override(self, name: str, **settings: str) -> None:
        """Write settings of a remote into .dvc/config.local, which git ignores."""
        lines = [f"    {key} = {value}" for key, value in settings.items()]
        (self.path / ".dvc/config.local").write_text("\n".join([f"['remote \"{name}\"']", *lines, ""]))

    def clone(self, path: Path) -> "Copy":
        """Return a clone, without any data."""
        self.run("git", "clone", "-q", str(self.path), str(path))
        return Copy(path)

    def twin(self, path: Path) -> "Copy":
        """Return a copy with all data."""
        return Copy(self.copy(path).path)

    def files(self, *names: str) -> dict[str, bytes]:
        """Return the content of files, and of all files in folders, of the working copy."""
        paths = [path for name in names for path in (self.path / name, *(self.path / name).rglob("*"))]
        found = [path for path in paths if path.is_file()]
        return {str(path.relative_to(self.path)): path.read_bytes() for path in found}


def empty(path: Path) -> Copy:
    """Return a new repository with the settings of DVC that ours begins with, and nothing else."""
    copy = Copy(path)
    copy.write({".dvc/config": CONFIG, ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"})
    copy.run("git", "init", "-q", "-b", "main")
    copy.commit()
    return copy
