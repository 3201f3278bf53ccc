"""PostgreSQL's own programs: the version that fits the server, and no password on a command line."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
from sqlalchemy import URL

from fraud.errors import Problem
from fraud.loop.log_database import Address

DEBIAN = Path("/usr/lib/postgresql")  # Where each version has a folder of its own.


def run(log: Address, server: int, name: str, *options: str) -> None:
    """Run a program of PostgreSQL on a log whose server has this major version."""
    done = subprocess.run(
        [_fitting(name, server), "--no-password", *options],
        env=os.environ | variables(log.url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise Problem(f"{log.setting}={log}: {said}; mend that, then run it again")


def variables(url: URL) -> dict[str, str]:
    """Return the variables by which PostgreSQL's programs find a database, the password among them."""
    given = url.get_dialect()().create_connect_args(url)[1]
    known = {option.keyword.decode(): option.envvar for option in psycopg.pq.Conninfo.get_defaults()}
    return {variable.decode(): str(given[name]) for name, variable in known.items() if variable and name in given}


def _fitting(name: str, server: int) -> Path:
    """Return the program of the server's version or else of the next one: an older one does not know all of it."""
    paths = [*DEBIAN.glob(f"*/bin/{name}"), *map(Path, filter(None, [shutil.which(name)]))]
    found = {_version(path): path for path in reversed(paths)}
    fitting = [version for version in found if version >= server]
    if not fitting:
        newest = f"version {max(found)}" if found else "none"
        raise Problem(f"{name}: found {newest}, but the server has version {server}; install its client programs")
    return found[min(fitting)]


def _version(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0
