"""A real PostgreSQL on loopback, made of Debian's packages, that a test can stop, kill and start again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from needed import needed
from s3 import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
SETTINGS = "listen_addresses='127.0.0.1' fsync=off unix_socket_directories='' max_connections=60 shared_buffers=16MB"
PASSWORD = "a-password"  # noqa: S105  # of a server that lives for a test


class Postgres:
    """A server with its data in `folder`; `fsync=off` survives the server's death, not that of the machine."""

    def __init__(self, folder: Path, port: int, user: str) -> None:
        self.folder = folder
        self.port = port
        self.url = f"postgresql://{user}:{PASSWORD}@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        """Return when it answers."""
        options = " ".join(f"-c {setting}" for setting in [*SETTINGS.split(), f"port={self.port}"])
        self._control("-w", "-o", options, "-l", str(self.folder.parent / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: fast, or at once as if it had crashed (immediate)."""
        self._control("-w", "-m", mode, "stop")

    def kill(self) -> None:
        """Kill all its processes, as a lack of memory would."""
        self.freeze()  # So that it starts no further one.
        pids = self._processes()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        while any(_runs(pid) for pid in pids):
            time.sleep(0.01)
        # In a container without an init it stays a zombie, which PostgreSQL would take for alive.
        (self.folder / "postmaster.pid").unlink()

    def freeze(self) -> None:
        """Stop all its processes where they are: connections stay open, and nothing answers."""
        os.kill(self._processes()[0], signal.SIGSTOP)
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all its processes go on."""
        for pid in self._processes():
            os.kill(pid, signal.SIGCONT)

    def create(self, name: str) -> str:
        """Return the URL of a new, empty database."""
        import psycopg  # noqa: PLC0415  # Only where there is a server.

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.at(name)

    def at(self, database: str, user: str = "", password: str = PASSWORD) -> str:
        """Return the URL of a database, for its owner or another one."""
        who = f"{user}:{password}" if user else self.url.removeprefix("postgresql://").partition("@")[0]
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}"

    def _processes(self) -> list[int]:
        first = int((self.folder / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def _control(self, *words: str) -> None:
        _run("pg_ctl", "-D", str(self.folder), *words)


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def program(name: str) -> Path:
    """Return one of PostgreSQL's programs."""
    return PROGRAMS[0] / name


@contextmanager
def database(user: str = "fraud") -> Iterator[Postgres]:
    """Serve an empty PostgreSQL until the block ends; the user may do everything in it."""
    needed(PROGRAMS[0] if PROGRAMS else None, "PostgreSQL")
    parent = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's own folders are closed to other users.
    try:
        server = _initialised(parent, user)
        server.start()
        try:
            yield server
        finally:
            if (server.folder / "postmaster.pid").exists():
                server.thaw()
                server.stop("immediate")
    finally:
        shutil.rmtree(parent)


def _initialised(parent: Path, owner: str) -> Postgres:
    word = parent / "password"
    word.write_text(PASSWORD)
    if user := _user():
        for path in (parent, word):
            shutil.chown(path, user)
    folder = parent / "data"
    words = ["-U", owner, "-A", "scram-sha-256", "--pwfile", str(word), "-E", "UTF8", "--locale=C", "-N"]
    _run("initdb", "-D", str(folder), *words)
    return Postgres(folder, free_port(), owner)


def _user() -> str | None:
    """Return whom to be, as PostgreSQL refuses to be root."""
    return "postgres" if os.getuid() == 0 and "postgres" in {entry.pw_name for entry in pwd.getpwall()} else None


def _run(name: str, *words: str) -> None:
    done = subprocess.run(
        [PROGRAMS[0] / name, *words],
        user=_user(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{name}: {done.stderr}"
