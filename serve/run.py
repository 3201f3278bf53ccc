"""The folder that the processes of one server share while they run, and the tokens that it makes up."""

import atexit
import fcntl
import json
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from serve.settings import Settings

VARIABLE = "FRAUD_RUN"  # By which `python -m serve` tells its workers.
HELD = "held"  # The file in it that is locked as long as a process of the server lives.


def made() -> Path:
    """Return a new folder, and remove those of servers that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"fraud-*/{HELD}"):
        with suppress(OSError), path.open() as file:  # In use, or somebody else's.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent)
    mine = Path(tempfile.mkdtemp(prefix="fraud-"))
    fcntl.flock(os.open(mine / "new", os.O_CREAT), fcntl.LOCK_EX)  # Never closed.
    (mine / "new").rename(mine / HELD)  # Locked before anyone can find it.
    return mine


def folder() -> Path:
    """Return the folder of this server, which nobody else may read; it is made when it is not there."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if not os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
        return _own()
    home = Path(tempfile.gettempdir()) / f"fraud-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid() or home.stat().st_mode & 0o077:
        return _own()  # Somebody else made it.
    _sweep(home)
    mine = home / _name(os.getppid())
    mine.mkdir(exist_ok=True)
    return mine


def _own() -> Path:
    """Return a folder that goes with this process."""
    path = Path(tempfile.mkdtemp(prefix="fraud-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _name(pid: int) -> str:
    """Return a name that no other process of this machine has, had or will have."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        started = "0"
    return f"{pid}-{started}"


def _sweep(home: Path) -> None:
    """Remove the folders of servers that are gone."""
    for path in home.iterdir():
        if path.name != _name(int(path.name.partition("-")[0])):
            shutil.rmtree(path, ignore_errors=True)


def first(run: Path) -> bool:
    """Say whether this process is the first of its server that asks; what concerns the server is told by that one."""
    try:
        (run / "told").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def with_tokens(settings: Settings, run: Path) -> Settings:
    """Return the settings with tokens made up where none is set: the same in all workers, and printed by the first."""
    if settings.api_tokens or settings.admin_tokens or settings.jwt_jwks:
        return settings
    with (run / "tokens.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        made = json.loads(text) if text else {name: secrets.token_urlsafe(24) for name in ("API_TOKEN", "ADMIN_TOKEN")}
        if not text:
            file.write(json.dumps(made))
            for name, token in made.items():
                print(f"{name} is not set; for this run it is {token}", file=sys.stderr, flush=True)
    return msgspec.structs.replace(settings, api_tokens=(made["API_TOKEN"],), admin_tokens=(made["ADMIN_TOKEN"],))
