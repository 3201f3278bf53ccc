"""Import weekly files from a bucket, and bring the next ones; when that fails, all stays as it was."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.storing.storage import dvc, listed, status
from fraud.outputs import md5_of
from fraud.yamlfile import read_yaml

REMOTE = "remote://"


def bring(url: str, endpoint: str, target: Path) -> None:
    """Import the files under `url` into `target`; the bucket's address is kept in .dvc/config as a remote."""
    settings = remote.section(url, endpoint)
    name = remote.weekly(target)
    _refuse_loss(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _kept(target):
        remote.write(name, settings, {})
        _import(f"remote://{name}/", target, "import-url", "--force", f"remote://{name}/", str(target))
    weeks = files(target)
    print(f"{settings['url']}: {len(weeks)} files in {target}, {min(weeks)} to {max(weeks)}")
    print("their copy for colleagues: `make push`; new weeks: `make data UPDATE=1`")


def update(target: Path) -> bool:
    """Bring what is new where `target` is imported from, print which weeks are new, changed or gone, and if any is."""
    source = _source(target)
    if not target.exists() and dvc("pull", str(_record(target))):
        raise Problem(
            f"{target}: not here to compare the bucket with, and not all in the remote; mend what is named above"
        )
    _refuse_loss(target)
    before = files(target)
    with _kept(target):
        _import(source, target, "update", str(_record(target)))
    lines = list(difference(before, files(target)))
    print(*lines or [f"{_told(source)}: nothing new"], sep="\n")
    return bool(lines)


def files(target: Path) -> dict[str, str]:
    """Return the md5 of each file in `target`."""
    return {str(path.relative_to(target)): md5_of(path) for path in sorted(target.rglob("*")) if path.is_file()}


def difference(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """Yield which files are new, changed or gone, with their md5s."""
    for name in sorted(before | after):
        was, now = before.get(name), after.get(name)
        if was is None:
            yield f"{name} is new (md5 {now})"
        elif now is None:
            yield f"{name} is gone (was md5 {was})"
        elif was != now:
            yield f"{name} changed (was md5 {was}, is md5 {now})"


def _import(source: str, target: Path, *command: str) -> None:
    """Run a DVC command that replaces `target`, once a remote has shown that there is something to bring."""
    where, name = _told(source), _remote(source)
    if name and not listed(name):
        raise Problem(f"{where}: found no files; mend the prefix, or put weekly files there")
    if dvc(*command):
        raise Problem(f"{where}: not all files came, {target} is as it was; mend what the lines above name")
    if not target.is_dir() or not any(path.is_file() for path in target.rglob("*")):
        raise Problem(f"{where}: found no folder with files in it, {target} is as it was; mend the prefix")


def _remote(source: str) -> str:
    """Return the name of the remote in remote://name/, or nothing where the import names a place itself."""
    return source.removeprefix(REMOTE).partition("/")[0] if source.startswith(REMOTE) else ""


def _told(source: str) -> str:
    return remote.place(name) if (name := _remote(source)) else source


@contextmanager
def _kept(target: Path) -> Iterator[None]:
    """Put .dvc/config, the record and the folder back when the block fails; DVC removes the folder before it brings."""
    was_here = target.exists()
    before = {path: path.read_bytes() if path.exists() else None for path in (remote.CONFIG, _record(target))}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        if was_here:
            dvc("checkout", "--quiet", "--force", str(_record(target)))
        elif target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        raise


def _refuse_loss(target: Path) -> None:
    """Raise what in the folder could not be brought back from DVC's cache."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not _record(target).exists():
        raise Problem(f"{target}: found files that DVC has not recorded; `dvc add {target}` or move them away")
    found = status(str(target))
    uncommitted = found.get("uncommitted", {})
    changed = [*found.get("not_in_cache", ()), *uncommitted.get("modified", ()), *uncommitted.get("added", ())]
    lost = sorted(path for path in changed if not path.endswith("/"))
    if lost:
        raise Problem(
            f"{lost[0]}: not what DVC recorded, or not in its cache, and would be lost; move {target} away first"
        )


def _source(target: Path) -> str:
    """Return what `target` was imported from, as DVC recorded it."""
    record = _record(target)
    paths = [str(dep.get("path")) for dep in read_yaml(record).get("deps", ())] if record.exists() else []
    if len(paths) != 1:
        raise Problem(
            f"{record}: found no import; begin with `make data S3=s3://bucket/prefix/`, or `make data DIR=folder`"
        )
    return paths[0]


def _record(target: Path) -> Path:
    return target.with_name(f"{target.name}.dvc")
