"""Build the image without an engine and start it: as its user, with a root that nobody can write, until SIGTERM."""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fraud.errors import Problem, run
from fraud.loop import image
from fraud.loop.deploy import reach, smoke
from fraud.loop.running import Running, free_ports, running
from fraud.loop.server import Server

BASE = "localhost/fraud-base:bookworm"
NAME = "localhost/fraud-trial"
NEEDED = {"buildah": "buildah", "debootstrap": "debootstrap", "unshare": "util-linux"}  # Programs by Debian package.
WITHIN = 60.0  # Seconds until it is ready.
GOALS = {"without the base": 160, "with it": 350}  # Megabytes.
OURS = ("opt/venv", "app")
# The root is bound read-only in a mount namespace of its own; /data and /tmp are what an engine makes of the volumes.
STAGE = """
set -e
mount --bind "$ROOT" "$ROOT"
mount --rbind /dev "$ROOT/dev"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o "mode=0700,uid=${OWNER%:*},gid=${OWNER#*:}" tmpfs "$ROOT/data"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount -o remount,bind,ro "$ROOT"
exec chroot --userspec="$OWNER" "$ROOT" "$@"
"""
# Where a secret is planted before the image is built: what a person may have set, and files that are not for it.
SETTINGS = ("API_TOKEN", "ADMIN_TOKEN", "REQUEST_LOG", "AWS_SECRET_ACCESS_KEY", "GH_TOKEN", "REGISTRY_TOKEN")
FILES = (Path("data/planted"), Path(".dvc/tmp/planted"), Path("planted.env"))
INSIDE = ["/bin/sh", "-c"]
READ_ONLY = 'id -u; for place in / /app /opt/venv /etc; do ! touch "$place/x" 2>/dev/null || echo "$place"; done'


def base(folder: Path) -> None:
    """Make an image of Debian with Python, which stays for the next time."""
    if not _ended_well("buildah", "inspect", "--type", "image", BASE):
        root = folder / "base"
        print(f"debootstrap: making {BASE}, once", flush=True)
        _said("debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", "bookworm",
              str(root), *os.environ.get("DEBIAN_MIRROR", "").split())  # fmt: skip
        for rest in "var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man":
            shutil.rmtree(root / rest, ignore_errors=True)
        container = _said("buildah", "from", "scratch")
        _said("buildah", "copy", container, str(root), "/")
        _said(
            "buildah", "config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container
        )
        _said("buildah", "commit", "--rm", "--format", "docker", container, BASE)


@contextmanager
def mounted(tag: str) -> Iterator[Path]:
    """Return the folder with the files of an image, until the block ends."""
    container = _said("buildah", "from", tag)
    try:
        yield Path(_said("buildah", "mount", container))
    finally:
        _said("buildah", "rm", container)


def command(root: Path, config: dict[str, Any], words: list[str], **settings: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs `words` as the image says, and the environment for it."""
    inside = {**dict(line.split("=", 1) for line in config["Env"]), **settings}
    started = ["env", "-i", f"--chdir={config['WorkingDir']}", *(f"{name}={value}" for name, value in inside.items())]
    outside = {"ROOT": str(root), "OWNER": config["User"]}
    return ["unshare", "--mount", "sh", "-c", STAGE, "sh", *started, *words], outside


def trial(root: Path, config: dict[str, Any], md5: str, folder: Path) -> None:
    """Start the server, ask it, and end it."""
    (port,), token = free_ports(1), secrets.token_urlsafe(24)
    settings = {"HOST": "127.0.0.1", "PORT": str(port), "ADMIN_TOKEN": token}
    words, environment = command(root, config, config["Cmd"], **settings)
    server = Server(f"http://127.0.0.1:{port}", token)
    with running(words, environment, server.address, folder) as live:
        try:
            reach(server, md5, WITHIN)
            print(smoke(server, md5))
        except Problem as problem:
            raise Problem(f"{problem}; its last words: {live.last_words()}") from None
        healthy(root, config, settings)
        ended(live)


def healthy(root: Path, config: dict[str, Any], settings: dict[str, str]) -> None:
    """Run the image's own check of health beside the server."""
    kind, *words = config["Healthcheck"]["Test"]
    asked, environment = command(root, config, words, **settings)
    done = subprocess.run(asked, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if kind != "CMD" or done.returncode:
        raise Problem(f"HEALTHCHECK {shlex.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
    print(f"HEALTHCHECK: {done.stdout.strip()}")


def ended(live: Running) -> None:
    """Send the image's signal, and see that the server ends well by itself."""
    start = time.monotonic()
    live.process.send_signal(signal.SIGTERM)
    try:
        code = live.process.wait(10)  # After which an engine kills.
    except subprocess.TimeoutExpired:
        raise Problem("SIGTERM: the server still runs after 10 s, when an engine kills it") from None
    if code:
        raise Problem(f"SIGTERM: the server ended with {code}; its last words: {live.last_words()}")
    print(f"SIGTERM: ended with 0 after {time.monotonic() - start:.1f} s")


def read_only(root: Path, config: dict[str, Any]) -> None:
    """See that the user is nobody's, and can write nowhere but where volumes are."""
    words, environment = command(root, config, [*INSIDE, READ_ONLY])
    said = _said(*words, **environment).split()
    if said[0] == "0" or said[1:]:
        raise Problem(
            f"user {said[0]} can write {', '.join(said[1:]) or 'all, as it is root'}; mend {image.DOCKERFILE}"
        )
    print(f"user {said[0]}, root file system read-only")


@contextmanager
def planted() -> Iterator[str]:
    """Put a secret into the environment and beside the code until the block ends."""
    secret, before = f"planted-{secrets.token_hex(16)}", dict(os.environ)
    os.environ.update(dict.fromkeys(SETTINGS, secret))
    for path in FILES:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(secret)
    try:
        yield secret
    finally:
        for path in FILES:
            path.unlink(missing_ok=True)
        os.environ.clear()
        os.environ.update(before)


def search(root: Path, config: dict[str, Any], secret: str) -> None:
    """See that the secret that was planted stands nowhere in the image."""
    found = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and _holds(path, secret)]
    if found or secret in str(config):
        raise Problem(f"{found[0] if found else 'its settings'}: holds a secret of this machine; mend .dockerignore")
    print("secrets: none of those that were planted before it was built")


def _holds(path: Path, secret: str) -> bool:
    return secret.encode() in path.read_bytes()


def weigh(root: Path) -> None:
    """Say how large the image is, our part and all of it, and refuse one that has grown over what was promised."""
    ours = sum(_megabytes(root / part) for part in OURS)
    for (what, goal), size in zip(GOALS.items(), (ours, _megabytes(root)), strict=True):
        print(f"size {what}: {size:.0f} MB, of {goal} at most")
        if size > goal:
            raise Problem(f"the image has {size:.0f} MB {what}, over {goal}; see what came in with {image.DOCKERFILE}")


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def labelled(config: dict[str, Any], made: image.Image) -> None:
    """See that the image says which commit and which model it is made of."""
    labels = config.get("Labels") or {}
    found = (labels.get(image.REVISION, ""), labels.get(image.LABEL, ""))
    if found != (made.revision, made.md5):
        raise Problem(f"labels {found}, expected {(made.revision, made.md5)}; mend LABEL in {image.DOCKERFILE}")
    print(f"labels: commit {made.revision[:6]}…, model {made.md5[:6]}…")


def _ended_well(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _said(*words: str, **more: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **more})
    if done.returncode:
        raise Problem(
            f"`{words[0]} {words[1]}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}"
        )
    return done.stdout.strip()


def main(*arguments: str) -> None:
    """Build, start, ask and stop; OPTIONS=… go to buildah."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    lacking = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if lacking or os.geteuid():
        what = (
            f"`apt-get install {' '.join(lacking)}`" if lacking else "run it as root, which alone may change its root"
        )
        raise Problem(f"make test-image: cannot start an image here; {what}")
    made = image.image(NAME)
    with tempfile.TemporaryDirectory() as folder:
        base(Path(folder))
        os.environ["BASE_IMAGE"] = BASE
        with planted() as secret:
            image.build("buildah", made, f"--isolation chroot {given.get('OPTIONS', '')}")
        config = image.config("buildah", made.tags[0])
        labelled(config, made)
        with mounted(made.tags[0]) as root:
            search(root, config, secret)
            read_only(root, config)
            trial(root, config, made.md5, Path(folder))
            weigh(root)
    _said("buildah", "rmi", *made.tags)


if __name__ == "__main__":
    run(main)
