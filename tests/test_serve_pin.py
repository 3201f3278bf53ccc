"""The pin: what dvc.lock says of the model, and that no other bytes are served."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.serialize import dump_yaml
from hypothesis import given
from hypothesis import strategies as st

from examples import ROOT
from fraud.errors import Problem
from fraud.yamlfile import read_yaml
from serve.pin import MODEL, Pin, model_bytes, read
from serve.remote.objects import Absent

CONTENT = b"a model " * 5000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
OUTPUT = {"path": "models/model.onnx", "hash": "md5", "md5": MD5, "size": len(CONTENT)}
READ_ONLY = Path("/sys/model.onnx")  # Not even root can write there.
DRIFT = {"false_alarms_per_year": 1, "min_effect": 0.02, "history": 8}


def lock(root: Path, **changes: object) -> Path:
    """Write a dvc.lock as DVC does, and keep the object in the remote."""
    output = {key: value for key, value in (OUTPUT | changes).items() if value is not None}
    stages = {
        "train": {"cmd": "train", "params": {"params.yaml": {"train": {"seed": 7}}}, "outs": [output]},
        "drift": {"cmd": "drift", "params": {"params.yaml": {"drift": DRIFT}}},
    }
    dump_yaml(str(root / "dvc.lock"), {"schema": "2.0", "stages": stages})
    path = root / f"remote/files/md5/{MD5[:2]}/{MD5[2:]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc/config").write_text("[core]\n    remote = local\n['remote \"local\"']\n    url = ../remote\n")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return lock(tmp_path / "root")


@pytest.fixture
def model(root: Path) -> Path:
    path = root / MODEL
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def test_the_pin_is_what_the_lock_says(root: Path) -> None:
    assert read(root, MODEL, None) == Pin(MD5, len(CONTENT), "models/model.onnx", DRIFT, None)


def test_the_lock_of_this_repository_pins_a_model() -> None:
    pin = read(ROOT, MODEL, "a revision")
    assert (len(pin.md5), pin.path, pin.git_rev) == (32, "models/model.onnx", "a revision")
    assert pin.drift == read_yaml(ROOT / "params.yaml")["drift"]


@given(md5=st.one_of(st.text("0123456789abcdef", min_size=32, max_size=32), st.from_regex(r"\A[0-9]{5}e[0-9]{26}\Z")))
def test_every_md5_that_dvc_writes_is_read(tmp_path_factory: pytest.TempPathFactory, md5: str) -> None:
    assert read(lock(tmp_path_factory.getbasetemp(), md5=md5), MODEL, None).md5 == md5


def test_the_drift_section_is_none_where_the_graph_has_no_such_stage(root: Path) -> None:
    dump_yaml(str(root / "dvc.lock"), {"schema": "2.0", "stages": {"other": {"cmd": "make", "outs": [OUTPUT]}}})
    assert read(root, MODEL, None).drift is None


def test_a_model_elsewhere_goes_by_its_name_and_one_inside_by_its_path(root: Path) -> None:
    assert read(root, root / MODEL, None).path == "models/model.onnx"
    assert read(root, Path("models/../models/model.onnx"), None).path == "models/model.onnx"
    assert read(root, root.parent / "mnt/model.onnx", None).path == str(root.parent / "mnt/model.onnx")
    with pytest.raises(Absent, match=r"dvc\.lock: found no output other/model\.onnx; run `make repro`.*MODEL_PATH"):
        read(root, Path("other/model.onnx"), None)
    with pytest.raises(Absent, match=r"found no output models/other\.onnx"):
        read(root, root.parent / "mnt/other.onnx", None)


def git(root: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a test", "-c", "user.email=test@example.com", *words]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_the_revision_is_the_given_one_or_that_of_git(root: Path, kind: str) -> None:
    git(root, "init", "-q", f"--object-format={kind}")
    assert read(root, MODEL, None).git_rev is None  # Nothing is committed.
    git(root, "add", "dvc.lock")
    git(root, "commit", "-q", "-m", "a test")
    assert read(root, MODEL, "").git_rev == git(root, "rev-parse", "HEAD")
    assert read(root, MODEL, "given").git_rev == "given"


def test_the_revision_says_where_the_lock_is_not_the_one_of_the_commit(root: Path) -> None:
    git(root, "init", "-q")
    git(root, "commit", "-q", "--allow-empty", "-m", "a test")
    dirty = f"{git(root, 'rev-parse', 'HEAD')}-dirty"
    assert read(root, MODEL, None).git_rev == dirty  # The commit has no lock.
    git(root, "add", "dvc.lock")
    assert read(root, MODEL, None).git_rev == dirty
    git(root, "commit", "-q", "-m", "a test")
    (root / "another file").touch()
    assert read(root, MODEL, None).git_rev == git(root, "rev-parse", "HEAD")
    lock(root, size=7)
    assert read(root, MODEL, None).git_rev == f"{git(root, 'rev-parse', 'HEAD')}-dirty"
    assert read(root, MODEL, "given").git_rev == "given"


def test_without_git_there_is_no_revision(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / ".git").mkdir()
    assert read(root, MODEL, None).git_rev is None  # A folder that git does not know.
    monkeypatch.setenv("PATH", "")
    assert read(root, MODEL, None).git_rev is None


def test_without_a_lock_nothing_is_to_be_had(root: Path) -> None:
    (root / "dvc.lock").unlink()
    with pytest.raises(Absent, match=r"dvc\.lock: there is no such file; `git checkout dvc\.lock`, or `make repro`"):
        read(root, MODEL, None)


def test_a_merge_conflict_is_named_with_its_line_and_the_way_out(root: Path) -> None:
    text = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(f"{text}<<<<<<< HEAD\n=======\n>>>>>>> other\n")
    line = text.count("\n") + 1
    with pytest.raises(Problem, match=f"dvc.lock, line {line}: found a merge conflict; settle .* `rm dvc.lock && make"):
        read(root, MODEL, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"stages: [", "^dvc.lock, line 1: .*[^;]; `git checkout dvc.lock`$"),
        (b"\xff\xfe\x00", "^dvc.lock(: not readable as YAML|, line 1).*; `git checkout dvc.lock`$"),
        (b"", "^dvc.lock: found NoneType, expected a mapping .*; `git checkout dvc.lock`$"),
        (b"schema: '2.0'\n", "dvc.lock: object missing required field `stages`; `git checkout dvc.lock`"),
        (b"stages:\n  train:\n    outs: 7\n", r"dvc.lock: expected `array`, got `int` - at `\$"),
        (b"stages: null\n", "dvc.lock: expected `object`, got `null`"),
    ],
)  # fmt: skip
def test_a_lock_that_is_none_is_a_problem_and_not_absent(root: Path, content: bytes, words: str) -> None:
    (root / "dvc.lock").write_bytes(content)
    with pytest.raises(Problem, match=words) as problem:
        read(root, MODEL, None)
    assert problem.value.code == 1
    assert "mend" not in str(problem.value)  # Nobody mends by hand what DVC wrote.


@pytest.mark.parametrize("changes", [{"md5": None}, {"size": None}, {"md5": f"{MD5}.dir"}, {"size": -1}])
def test_an_output_that_cannot_be_verified_is_refused(root: Path, changes: dict[str, object]) -> None:
    with pytest.raises(
        Problem, match=r"dvc\.lock: models/model\.onnx: expected .*(md5|size)`; run `make repro`"
    ) as one:
        read(lock(root, **changes), MODEL, None)
    assert one.value.code == 1


def test_the_file_is_served_as_it_is(root: Path, model: Path) -> None:
    shutil.rmtree(root / "remote")
    assert model_bytes(root, read(root, MODEL, None)) == CONTENT
    assert model.read_bytes() == CONTENT


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_as_dvc_makes_them_are_followed(root: Path, model: Path, link: type) -> None:
    model.rename(root / "cached")
    link(root / "cached", model)
    assert model_bytes(root, read(root, MODEL, None)) == CONTENT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT[:-1] + b"x", CONTENT + b" "])
def test_bytes_that_the_lock_does_not_pin_are_refused_and_stay(root: Path, model: Path, content: bytes) -> None:
    model.write_bytes(content)
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()[:6]
    words = f"models/model.onnx is {found}…, but dvc.lock pins {MD5[:6]}…; run `dvc checkout models/model.onnx` "
    with pytest.raises(Problem, match=words) as problem:
        model_bytes(root, read(root, MODEL, None))
    assert problem.value.code == 1
    assert model.read_bytes() == content


@pytest.mark.usefixtures("model")
def test_bytes_of_another_size_than_the_lock_says_are_refused(root: Path) -> None:
    lock(root, size=7)
    with pytest.raises(Problem, match=f"models/model.onnx has {len(CONTENT)} bytes, but dvc.lock pins 7"):
        model_bytes(root, read(root, MODEL, None))


def test_outside_of_the_repository_the_remedy_is_another(root: Path, model: Path) -> None:
    model.write_bytes(b"x")
    model.rename(root.parent / "model.onnx")
    with pytest.raises(Problem, match=r"/model\.onnx is .*; remove it, then it is fetched from the DVC remote"):
        model_bytes(root, read(root, root.parent / "model.onnx", None))


def test_a_missing_file_is_fetched_and_kept(root: Path) -> None:
    pin = read(root, MODEL, None)
    assert model_bytes(root, pin) == CONTENT
    assert (root / MODEL).read_bytes() == CONTENT
    assert [path.name for path in (root / MODEL).parent.iterdir()] == ["model.onnx"]
    shutil.rmtree(root / "remote")
    assert model_bytes(root, pin) == CONTENT


def test_a_link_into_an_emptied_cache_is_replaced(root: Path, model: Path) -> None:
    model.unlink()
    model.symlink_to(root / "gone")
    assert model_bytes(root, read(root, MODEL, None)) == CONTENT
    assert not model.is_symlink()


def test_where_nothing_can_be_written_the_fetched_bytes_are_served(root: Path) -> None:
    assert model_bytes(root, read(root, READ_ONLY, None)) == CONTENT
    assert not READ_ONLY.exists()


def test_a_damaged_object_is_refused_and_nothing_is_written(root: Path) -> None:
    (root / f"remote/files/md5/{MD5[:2]}/{MD5[2:]}").write_bytes(CONTENT[:-1])
    with pytest.raises(Problem, match=f"with md5 .*, but dvc.lock pins {len(CONTENT)} with {MD5}"):
        model_bytes(root, read(root, MODEL, None))
    assert not (root / MODEL).exists()


def prepare(root: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m serve.pin` as a copy of this repository has it."""
    for name in ("serve", "src"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "serve.pin"], cwd=root, env=env or {}, text=True, capture_output=True, check=False
    )


def test_the_command_brings_the_file_and_says_so_in_one_line(root: Path) -> None:
    for words in ("fetched", "is"):
        done = prepare(root)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"models/model.onnx: {words} {MD5[:6]}…")
        assert done.stdout.count("\n") == 1
    assert (root / MODEL).read_bytes() == CONTENT


def test_the_command_knows_the_model_path(root: Path) -> None:
    place = root.parent / "mnt/model.onnx"
    assert prepare(root, {"MODEL_PATH": str(place)}).returncode == 0
    assert place.read_bytes() == CONTENT


def test_the_command_ends_with_1_for_what_a_person_must_mend(root: Path, model: Path) -> None:
    model.write_bytes(b"x")
    done = prepare(root)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_the_command_ends_with_2_where_the_model_is_nowhere_to_be_had(root: Path) -> None:
    shutil.rmtree(root / "remote")
    done = prepare(root)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_the_command_ends_with_1_where_it_cannot_write(root: Path) -> None:
    done = prepare(root, {"MODEL_PATH": str(READ_ONLY)})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
