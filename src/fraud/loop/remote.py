"""Make a place in S3 the default DVC remote: one section of .dvc/config, without a secret."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dvc.config import Config, ConfigError

from fraud.errors import Problem, run
from fraud.loop.storing import stack
from fraud.loop.storing.refusals import KEPT

FOLDER = Path(".dvc")
CONFIG = FOLDER / "config"
NAME = "storage"
FORM = "make remote S3=s3://bucket/prefix [ENDPOINT=https://host]"
OF_STACK = "make remote STACK=name [REGION=eu-west-1]"
OPTIONS = {"ENDPOINT": "S3", "REGION": "STACK"}
SECRET = re.compile(r"[@?]|://[^/\[]*:(?!\d+(/|$))")  # key:secret@, a signed query, key:secret; but no port
PLACE = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9](/[^\s#]*)?")


def section(url: str, endpoint: str) -> dict[str, str]:
    """Return the settings of a DVC remote; a URL that could carry a secret is refused and not repeated."""
    for name, value in {"S3": url, "ENDPOINT": endpoint}.items():
        if SECRET.search(value):
            raise Problem(
                f"{name}: found credentials or a query in the URL, which git would keep; put secrets in {KEPT}"
            )
    if not PLACE.fullmatch(url):
        raise Problem(f"S3={url}: expected s3://bucket or s3://bucket/prefix")
    if endpoint and not _is_address(endpoint):
        raise Problem(f"ENDPOINT={endpoint}: expected an address like https://s3.example.com or http://localhost:9000")
    return {"url": url.rstrip("/")} | ({"endpointurl": endpoint.rstrip("/")} if endpoint else {})


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        return bool(named) and not re.search(r"[\s#]", text)
    except ValueError:
        return False


def write(name: str, settings: Mapping[str, str], core: Mapping[str, str]) -> bool:
    """Put the remote `name` into .dvc/config, in the place of an older one; return whether that changed anything."""
    if not FOLDER.is_dir():
        raise Problem(f"{FOLDER}: there is no such folder; run it at the root of the repository")
    before = CONFIG.read_bytes() if CONFIG.exists() else b""
    with _config().edit("repo") as config:
        config["remote"][name] = dict(settings)
        config["core"].update(core)
    return CONFIG.read_bytes() != before


def weekly(folder: Path) -> str:
    """Return the name of the remote that the weeks in `folder` come from."""
    return f"weekly-{folder.name}"  # One a data set: a second import must not move the first to its place.


def folder(name: str) -> Path | None:
    """Return the folder that a remote is, if there is such a remote and it is one."""
    url = str(_config()["remote"].get(name, {}).get("url", ""))
    return None if not url or "://" in url else Path(url).resolve()


def forget(name: str) -> bool:
    """Remove a remote from .dvc/config where it is a folder; return whether there was one."""
    found = folder(name) is not None
    if found:
        with _config().edit("repo") as config:
            config["remote"].pop(name, None)
    return found


def default() -> str:
    """Return the name of the remote that `dvc push` uses."""
    return str(_config()["core"].get("remote", ""))


def settings_of(name: str) -> dict[str, Any]:
    """Return the settings of a remote, with those of .dvc/config.local."""
    known = _config()["remote"]
    if name not in known:
        raise Problem(f"{CONFIG}: found no remote '{name}'; `git diff` shows who removed it, or set one with `{FORM}`")
    return dict(known[name])


def cache() -> Path:
    """Return the folder of DVC's cache, which several clones may share."""
    return Path(_config()["cache"].get("dir") or FOLDER / "cache")


def place(name: str) -> str:
    """Return where a remote is, for a message."""
    found = settings_of(name)
    server = found.get("endpointurl")
    return found["url"] + (f" at {server}" if server else "")


def _config() -> Config:
    try:
        return Config(str(FOLDER.resolve()))
    except ConfigError as error:
        raise Problem(f"{CONFIG}: {error}; mend it there") from None


def of_stack(name: str, region: str) -> dict[str, str]:
    """Return the settings of the remote that a stack of ops/aws/template.yaml has made."""
    formation = stack.client("cloudformation", region)
    where = stack.place(formation, name)
    found = stack.described(formation, name)
    if found is None:
        raise Problem(f"{where}: there is none; make it with `make aws-up STACK={name}`, or mend STACK and REGION")
    made = stack.outputs(found)
    if not made.keys() >= {"Remote", "Region"}:
        raise Problem(f"{where}: found no outputs Remote and Region; run `make aws-up STACK={name}`, or mend STACK")
    return section(made["Remote"], "") | {"region": made["Region"]}


def _asked(given: Mapping[str, str]) -> dict[str, str]:
    forms = f"{FORM}, or {OF_STACK}"
    if ("S3" in given) == ("STACK" in given):
        found = "S3 and STACK: found both" if "S3" in given else "S3: found nothing"
        raise Problem(f"{found}, expected a place to keep data and models in; {forms}")
    for option, form in OPTIONS.items():
        if option in given and form not in given:
            raise Problem(f"{option}: goes with {form} only; {forms}")
    return (
        section(given["S3"], given.get("ENDPOINT", ""))
        if "S3" in given
        else of_stack(given["STACK"], given.get("REGION", ""))
    )


def main(*arguments: str) -> None:
    """Do what `make remote` asks for, and say what comes next; but for a stack the network is not asked."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    settings = _asked(given) | {"verify": "true"}
    changed = write(NAME, settings, {"remote": NAME})
    print(
        f".dvc/config: {'now' if changed else 'already'} keeps data and models in {settings['url']} (remote '{NAME}')"
    )
    print(f"credentials, which git must never see, come from {KEPT}")
    print("next: `make push`, then `git add .dvc/config && git commit`")
    print("back to a folder on this machine: `dvc remote default local`")


if __name__ == "__main__":
    run(main)
