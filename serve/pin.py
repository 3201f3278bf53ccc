"""The pin: which model dvc.lock names, and its verified bytes."""

import hashlib
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec

from fraud.errors import Problem, os_sentence, run
from fraud.outputs import whole
from fraud.yamlfile import read_yaml
from serve import ROOT
from serve.remote.objects import Absent, fetch
from serve.settings import load

MODEL = Path("models/model.onnx")


class Pin(msgspec.Struct, frozen=True):
    """What dvc.lock says of the model."""

    md5: str
    size: int
    path: str  # From the root of the repository; absolute where it lies outside.
    drift: dict[str, Any] | None  # Section `drift` of params.yaml, as the verdict was made with it.
    git_rev: str | None  # Ends in -dirty where dvc.lock is not as in that commit.


class Output(msgspec.Struct):
    """An output of a stage; those in the cloud have neither md5 nor size."""

    path: str
    md5: str | None = None
    size: int | None = None


class Stage(msgspec.Struct):
    """A stage of dvc.lock, as far as the server wants to know."""

    outs: list[Output] = []
    params: dict[str, dict[str, Any]] = {}


class Lock(msgspec.Struct):
    """The file dvc.lock."""

    stages: dict[str, Stage]


class Verifiable(msgspec.Struct):
    """An output that can be verified."""

    md5: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    size: Annotated[int, msgspec.Meta(ge=0)]


def read(root: Path, model_path: Path, git_rev: str | None) -> Pin:
    """Return what dvc.lock at `root` pins; a model outside of `root` goes by its file name, as one of models/."""
    place = Path(os.path.abspath(root / model_path))  # noqa: PTH100  # resolve() would follow DVC's links
    home = Path(os.path.abspath(root))  # noqa: PTH100  # as above
    inside = place.is_relative_to(home)
    path = place.relative_to(home) if inside else MODEL.parent / place.name
    stages = _stages(root / "dvc.lock")
    output = _output(stages, path.as_posix())
    drift = stages["drift"].params.get("params.yaml", {}).get("drift") if "drift" in stages else None
    return Pin(output.md5, output.size, str(path if inside else place), drift, git_rev or _revision(root))


def _stages(path: Path) -> dict[str, Stage]:
    try:
        _refuse_conflict(path.read_bytes())
        return msgspec.convert(_parsed(path), Lock).stages
    except FileNotFoundError:
        raise Absent("dvc.lock: there is no such file; `git checkout dvc.lock`, or `make repro`") from None
    except OSError as error:
        raise Problem(os_sentence(error)) from None
    except msgspec.ValidationError as error:
        raise Problem(f"dvc.lock: {_lower(error)}; `git checkout dvc.lock`, or `make repro`") from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path)
    except Problem as problem:  # Its remedy is for files that people write.
        found = str(problem).removeprefix(f"{path.parent}/").removesuffix("; mend the YAML there")
        raise Problem(f"{found}; `git checkout dvc.lock`") from None


def _refuse_conflict(content: bytes) -> None:
    for number, line in enumerate(content.splitlines(), start=1):
        if line.startswith((b"<<<<<<< ", b">>>>>>> ")):
            remedy = "settle dvc.yaml and params.yaml, then `rm dvc.lock && make repro`"
            raise Problem(f"dvc.lock, line {number}: found a merge conflict; {remedy}")


def _output(stages: dict[str, Stage], path: str) -> Verifiable:
    outputs = {output.path: output for stage in stages.values() for output in stage.outs}
    if path not in outputs:
        raise Absent(f"dvc.lock: found no output {path}; run `make repro` and commit dvc.lock, or set MODEL_PATH")
    try:
        return msgspec.convert(outputs[path], Verifiable, from_attributes=True)
    except msgspec.ValidationError as error:
        raise Problem(f"dvc.lock: {path}: {_lower(error)}; run `make repro` and commit dvc.lock") from None


def _lower(error: Exception) -> str:
    text = str(error)
    return text[0].lower() + text[1:]


def _revision(root: Path) -> str | None:
    """Return the commit that is checked out; "-dirty" behind it says that the lock is not the one in it."""
    if not (root / ".git").exists():
        return None
    words = ["git", "cat-file", "--batch-check=%(objectname)"]
    names = "HEAD\nHEAD:dvc.lock\n"  # One line of the answer each; "<name> missing" where there is none.
    try:
        done = subprocess.run(words, cwd=root, input=names, capture_output=True, text=True, check=True, timeout=5)
        content = (root / "dvc.lock").read_bytes()
    except (OSError, subprocess.SubprocessError):
        return None
    commit, committed = done.stdout.splitlines()
    if commit.endswith("missing"):
        return None
    return commit if committed == _blob(content, len(commit)) else f"{commit}-dirty"


def _blob(content: bytes, digits: int) -> str:
    """Return the name that git gives to the content of a file."""
    kind = "sha1" if digits == 40 else "sha256"
    return hashlib.new(kind, b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def model_bytes(root: Path, pin: Pin) -> bytes:
    """Return exactly the bytes that are pinned; where the file is missing they come from the DVC remote."""
    content = _held(root, pin)
    if content is None:
        content = fetch(root, pin.md5, pin.size)
        with suppress(OSError):  # In a container the folder may be read-only; the bytes in memory do.
            _keep(root, pin, content)
    return content


def _held(root: Path, pin: Pin) -> bytes | None:
    """Return the bytes of the file, none where it is missing; what was read once is what was checked."""
    try:
        content = (root / pin.path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(os_sentence(error)) from None
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != pin.md5:
        raise Problem(f"{pin.path} is {md5[:6]}…, but dvc.lock pins {pin.md5[:6]}…; {_remedy(pin.path)}")
    if len(content) != pin.size:
        raise Problem(
            f"{pin.path} has {len(content)} bytes, but dvc.lock pins {pin.size}; run `make repro` and commit dvc.lock"
        )
    return content


def _remedy(path: str) -> str:
    if Path(path).is_absolute():
        return "remove it, then it is fetched from the DVC remote"
    return f"run `dvc checkout {path}` (or `dvc pull {path}`)"


def _keep(root: Path, pin: Pin, content: bytes) -> None:
    with whole(root / pin.path) as draft:
        draft.write_bytes(content)


def main() -> None:
    """Bring the model to what dvc.lock pins."""
    settings = load(os.environ)  # All of them, before anybody trains for a server that would not start.
    pin = read(ROOT, settings.model_path, settings.git_rev)
    if _held(ROOT, pin) is None:
        _keep(ROOT, pin, fetch(ROOT, pin.md5, pin.size))
        print(f"{pin.path}: fetched {pin.md5[:6]}… from the DVC remote, as dvc.lock pins it")
    else:
        print(f"{pin.path}: is {pin.md5[:6]}…, as dvc.lock pins it")


if __name__ == "__main__":
    run(main)
