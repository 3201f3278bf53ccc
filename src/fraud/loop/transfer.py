"""Push to and pull from the DVC remote; what goes wrong ends in one line, and nothing local is lost."""

from pathlib import PurePosixPath

from fraud.errors import Problem, run
from fraud.loop import remote
from fraud.loop.storing.storage import dvc, listed, status


def push() -> None:
    """Push what this commit pins; `dvc push` ends well when neither side holds a file, which is a problem here."""
    where = remote.place(name := remote.default())
    code = dvc("push")
    if code:
        listed(name)
        raise Problem(f"{where}: not all data is there; mend what the lines above name, then `make push` again")
    lacking = status("--not-in-remote").get("not_in_remote")
    if lacking:
        raise Problem(f"{where}: {_few(lacking)} is neither there nor in the cache here; `make push` where it is")


def pull(*targets: str) -> None:
    """Fetch all and only then touch the workspace, since `dvc pull` removes a folder that it cannot replace.

    With targets it does so for these files alone.
    """
    where = remote.place(name := remote.default())
    code = dvc("fetch", *targets)
    if code:
        listed(name)
    absent = [path for path in status().get("not_in_cache") or () if not targets or _among(path, targets)]
    if absent:
        raise Problem(damage(where, absent))
    if code:
        raise Problem(f"{where}: not all data came; mend what the lines above name, then `make pull` again")
    if dvc("checkout", *targets):
        raise Problem(
            "workspace: not all is in place, as the lines above say; changes that DVC has not recorded are untouched: "
            "keep them with `dvc commit`, or drop them with `dvc checkout --force`"
        )


def _among(path: str, targets: tuple[str, ...]) -> bool:
    """Return whether a file is one of the targets, or in a folder that is one, or that a pointer file names."""
    return any(
        path == name or path.startswith(f"{name.rstrip('/')}/") for name in (t.removesuffix(".dvc") for t in targets)
    )


def damage(where: str, absent: list[str]) -> str:
    """Return which data did not come whole, and how to mend it where it lies."""
    inner = [path for path in absent if not any(other.startswith(path) for other in absent if other != path)]
    names = " and ".join(dict.fromkeys(name for path in sorted(inner)[:3] for name in objects(path)))
    return (
        f"{where}: {_few(inner)} is missing or damaged there, and the files here are as they were; "
        f"remove {names} there, as far as they exist, then `make push` where the data is whole"
    )


def objects(path: str) -> list[str]:
    """Return what keeps a file in a remote: its object, and that of its folder, or DVC takes all in it for present."""
    from dvc.api import DVCFileSystem  # noqa: PLC0415  # 1 s, for the rare case

    system = DVCFileSystem(".")
    around = [PurePosixPath(path), *PurePosixPath(path).parents]
    found = [(system.info(str(part)).get("dvc_info") or {}).get("md5") for part in around]
    return [f"files/md5/{md5[:2]}/{md5[2:]}" for md5 in found if md5]


def _few(paths: list[str]) -> str:
    more = len(paths) - 1
    return sorted(paths)[0] + (f" (and {more} more)" if more else "")


def main(verb: str = "", *targets: str) -> None:
    """Push all, or pull all or these files."""
    if verb == "push":
        push()
    elif verb == "pull":
        pull(*targets)
    else:
        raise Problem(f"found '{verb}', expected `make push` or `make pull`")


if __name__ == "__main__":
    run(main)
