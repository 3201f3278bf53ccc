"""make image and make publish: what goes into the image, what it is called, and what the builder is told."""

import json
import os
import re
import shutil
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from certificates import certificate, openssl
from examples import ROOT
from fraud.errors import Problem
from fraud.loop import image, image_trial
from fraud.loop.files import MODEL
from needed import needed
from s3 import free_port
from serve import healthy
from servers import example, pin, running

DOCKERFILE = (ROOT / "ops/Dockerfile").read_text().replace("\\\n", " ")
COPIES = [line.split()[1:] for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]
SOURCES = [source for *sources, _ in COPIES for source in sources]
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
ALL = "0.0.0.0"  # noqa: S104  # Asked, not listened on.
KEPT_OUT = [
    ".env",
    ".git/config",
    ".dvc/config",
    ".dvc/config.local",
    "data/requests.db",
    "data/raw/2026-W08.csv",
    "mlflow.db",
    "models/other.onnx",
    "serve/__pycache__/app.cpython-311.pyc",
    "src/fraud/loop/image.py",
    "src/fraud/stages/train.py",
    "tests/servers.py",
]


def goes(path: str) -> bool:
    """Return whether a file goes to the builder: the last line of .dockerignore that fits it, or a parent, decides."""
    parts = [PurePosixPath(path), *PurePosixPath(path).parents][:-1]
    said = True
    for line in IGNORED:
        pattern = line.removeprefix("!")
        if any(_fits(part, pattern) for part in parts):
            said = line.startswith("!")
    return said


def _fits(part: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return part.match(pattern.removeprefix("**/"))
    return len(part.parts) == len(PurePosixPath(pattern).parts) and part.match(pattern)


def copied(path: str) -> bool:
    parts = [PurePosixPath(path), *PurePosixPath(path).parents][:-1]
    return any(_fits(part, source) for part in parts for source in SOURCES)


def in_git() -> list[str]:
    said = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [*said.splitlines(), MODEL]


def test_what_goes_to_the_builder_is_what_the_dockerfile_copies() -> None:
    sent = [path for path in in_git() if goes(path)]
    assert [path for path in sent if not copied(path)] == []
    assert [path for path in in_git() if copied(path) and not goes(path)] == []
    assert [source for source in SOURCES if not any(_under(path, source) for path in sent)] == []


def _under(path: str, source: str) -> bool:
    return any(_fits(part, source) for part in [PurePosixPath(path), *PurePosixPath(path).parents])


@pytest.mark.parametrize("path", KEPT_OUT)
def test_secrets_data_and_what_trains_stay_out(path: str) -> None:
    assert not goes(path)


def app(root: Path) -> Path:
    """Return a folder with what the image holds in /app, and a small model."""
    for path in in_git():
        if goes(path) and not path.startswith("requirements"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / path).exists():  # But for the model, in a clone that has none yet.
                shutil.copy2(ROOT / path, root / path)
    pin(root, example())
    return root


def test_the_server_finds_all_it_needs_in_the_image_and_writes_only_to_the_volumes(tmp_path: Path) -> None:
    root, data = app(tmp_path / "app"), tmp_path / "data"
    data.mkdir()
    before = set(root.rglob("*"))
    places = {"REQUEST_LOG": f"sqlite:///{data}/requests.db", "SPOOL": str(data / "spool"), "TMPDIR": str(data)}
    with running(root, GIT_REV="f" * 40, PYTHONDONTWRITEBYTECODE="1", **places) as live:
        assert live.post("/predict", example().payments()[0]).status == 200
        assert live.get("/ready").json["git_rev"] == "f" * 40
        assert live.stop() == 0
    assert {path.name for path in set(root.rglob("*")) - before} == {"stdout", "stderr"}
    assert (data / "requests.db").exists()


def test_the_image_runs_as_a_number_and_ends_at_sigterm() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, flags=re.MULTILINE)
    assert re.search(r'^CMD \["python", "-m", "serve"\]$', last, flags=re.MULTILINE)  # No shell between them.
    assert "STOPSIGNAL SIGTERM" in last


def test_hadolint_finds_nothing() -> None:
    program = needed(shutil.which("hadolint"), "hadolint", "make setup")
    done = subprocess.run([program, ROOT / "ops/Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "http://127.0.0.1:8000/ready"),
        ({"HOST": ALL, "PORT": "9000"}, "http://127.0.0.1:9000/ready"),
        ({"HOST": "::", "TLS_CERT": "file"}, "https://[::1]:8000/ready"),
        ({"HOST": "10.0.0.7", "TLS_CERT": " "}, "http://10.0.0.7:8000/ready"),
    ],
)
def test_health_is_asked_where_the_server_listens(settings: dict[str, str], expected: str) -> None:
    assert healthy.address(settings) == expected


@pytest.mark.parametrize("tls", [False, True])
def test_health_is_good_while_the_server_is_ready_and_bad_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    names = certificate(tmp_path) if tls else {}
    settings = {"PORT": str(free_port()), **names}
    for name, value in {"HOST": ALL, "http_proxy": "http://127.0.0.1:9", **settings}.items():
        monkeypatch.setenv(name, value)
    with running(app(tmp_path / "app"), WORKERS="1", **settings):
        assert healthy.main() == 0
        if tls:
            monkeypatch.setenv("TLS_CERT", certificate(tmp_path, "other")["TLS_CERT"])
            assert healthy.main() == 1
            monkeypatch.setenv("TLS_CERT", names["TLS_CERT"])
    assert healthy.main() == 1


def test_health_can_be_asked_where_an_authority_signed_the_certificate_for_another_name(tmp_path: Path) -> None:
    authority, names = certificate(tmp_path, "authority"), certificate(tmp_path)
    request = tmp_path / "request"
    openssl("req", "-new", "-key", names["TLS_KEY"], "-subj", "/CN=fraud.example.com", "-out", request)
    signer = ["-CA", authority["TLS_CERT"], "-CAkey", authority["TLS_KEY"], "-CAcreateserial"]
    openssl("x509", "-req", "-in", request, *signer, "-days", "2", "-out", names["TLS_CERT"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(names["TLS_CERT"], names["TLS_KEY"])
    trusted = healthy.trusting(names["TLS_CERT"]).wrap_bio(ours := ssl.MemoryBIO(), theirs := ssl.MemoryBIO())
    server = context.wrap_bio(theirs, ours, server_side=True)
    for side in (trusted, server, trusted, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert trusted.getpeercert()


FAKE = """#!{python}
import json, os, pathlib, sys
given = "" if sys.stdin.isatty() or "--password-stdin" not in sys.argv else sys.stdin.read()
with open({calls!r}, "a") as file:
    file.write(json.dumps({{"words": sys.argv[1:], "stdin": given, "environment": list(os.environ.values())}}) + "\\n")
if sys.argv[1] == "inspect":
    print(pathlib.Path({held!r}).read_text())
sys.exit(1 if sys.argv[1] == os.environ.get("REFUSES") else 0)
"""


class Engine:
    """A program in the place of docker that writes down what it is told, as there is no engine here."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._calls, self._held = folder / "calls", folder / "held"
        self.path = folder / "docker"
        self.path.write_text(FAKE.format(python=shutil.which("python3"), calls=str(self._calls), held=str(self._held)))
        self.path.chmod(0o755)
        self.holds(None)

    def holds(self, md5: str | None) -> None:
        labels = [{"Config": {"Labels": {image.LABEL: md5} if md5 else None}}]
        self._held.write_text(json.dumps(labels) if md5 else "")

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []

    @property
    def told(self) -> list[str]:
        return [" ".join(call["words"]) for call in self.calls]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.path.parent}:{os.environ['PATH']}")
    for name in "GITHUB_REPOSITORY", "GITHUB_OUTPUT", "REGISTRY_USER", "REGISTRY_TOKEN", "BASE_IMAGE":
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a committed working copy with a model."""
    root = tmp_path / "here"
    root.mkdir()
    pin(root, example())
    monkeypatch.chdir(root)
    (root / ".gitignore").write_text("/models/\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "A model")
    return root


def git(*words: str) -> str:
    named = ["-c", "user.name=a test", "-c", "user.email=test@example.com"]
    return subprocess.run(["git", *named, *words], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.usefixtures("here")
def test_an_image_is_called_after_its_model_its_commit_and_latest(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    image.main("build")
    md5, commit = example().md5, git("rev-parse", "HEAD")
    (told,) = engine.told
    assert told.startswith("build --file ops/Dockerfile ")
    assert f"--build-arg MODEL_MD5={md5} --build-arg GIT_REV={commit} " in told
    assert f"--tag fraud-api:{md5} --tag fraud-api:{commit} --tag fraud-api:latest ." in told
    assert f"model=fraud-api:{md5}\ncommit=fraud-api:{commit}\n" in capsys.readouterr().out


@pytest.mark.usefixtures("engine", "here")
def test_in_a_workflow_it_is_called_after_the_repository_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "Owner/Fraud-Demo")
    assert image.image().tags[2] == "ghcr.io/owner/fraud-demo:latest"
    assert image.image("registry.example.com/x").tags[2] == "registry.example.com/x:latest"


@pytest.mark.usefixtures("here")
def test_another_base_and_options_of_a_person_reach_the_builder(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_IMAGE", "localhost/base:1")
    image.main("build", "BUILDER=docker", "OPTIONS=--volume '/a b:/c'")
    assert {"BASE_IMAGE=localhost/base:1", "--volume", "/a b:/c"} <= set(engine.calls[0]["words"])


@pytest.mark.parametrize("content", [b"other bytes", None])
def test_other_bytes_than_the_lock_pins_are_not_built(engine: Engine, here: Path, content: bytes | None) -> None:
    (here / MODEL).unlink()
    if content:
        (here / MODEL).write_bytes(content)
    with pytest.raises(Problem, match=rf"but dvc.lock pins {example().md5[:6]}…; run `make pull-model`"):
        image.main("build")
    assert engine.calls == []


def test_what_no_commit_has_shows_in_the_name_and_is_not_published(engine: Engine, here: Path) -> None:
    (here / "serve").mkdir()
    (here / "serve/app.py").write_text("")
    assert image.revision() == git("rev-parse", "HEAD") + "-dirty"
    engine.holds(example().md5)
    with pytest.raises(Problem, match="that no commit has"):
        image.main("publish")
    assert not [told for told in engine.told if told.startswith("push")]


@pytest.mark.usefixtures("here")
def test_all_three_names_are_pushed_after_logging_in_with_a_token_that_only_stdin_sees(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = {"REGISTRY_USER": "somebody", "REGISTRY_TOKEN": "planted-token", "GITHUB_REPOSITORY": "owner/name"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    engine.holds(example().md5)
    image.main("publish")
    inspect, login, *pushes = engine.told
    assert inspect == f"inspect --type image ghcr.io/owner/name:{git('rev-parse', 'HEAD')}"
    assert login == "login --username somebody --password-stdin ghcr.io"
    assert pushes == [f"push {tag}" for tag in image.image().tags]
    assert engine.calls[1]["stdin"] == "planted-token"
    assert "planted-token" not in json.dumps([[call["words"], call["environment"]] for call in engine.calls])
    assert "planted-token" not in "".join(capsys.readouterr())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("held", "what"), [(None, "is not here, or does not say"), ("0" * 32, "holds model 000000…")])
def test_an_image_with_another_model_or_none_is_not_published(engine: Engine, held: str | None, what: str) -> None:
    engine.holds(held)
    with pytest.raises(Problem, match=what):
        image.main("publish")
    assert [told.split()[0] for told in engine.told] == ["inspect"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"REGISTRY_USER": "somebody"}, "REGISTRY_TOKEN: not set"),
        ({"REGISTRY_TOKEN": "planted-token"}, "REGISTRY_USER: not set"),
        ({"REGISTRY_USER": "somebody", "REGISTRY_TOKEN": "planted-token"}, "IMAGE=fraud-api: names no registry"),
    ],
)
def test_half_a_login_or_one_to_nowhere_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    engine.holds(example().md5)
    with pytest.raises(Problem, match=said) as caught:
        image.main("publish")
    assert "planted-token" not in str(caught.value)


@pytest.mark.usefixtures("here")
def test_a_push_that_fails_is_one_line(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSES", "push")
    engine.holds(example().md5)
    with pytest.raises(Problem, match="`docker push` ended with 1"):
        image.main("publish")


@pytest.mark.usefixtures("engine")
def test_a_builder_that_is_not_installed_is_named() -> None:
    assert image.builder() == "docker"
    with pytest.raises(Problem, match="BUILDER: found no no-such-builder"):
        image.builder("no-such-builder")


def test_a_secret_that_got_into_an_image_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/settings").write_text("TOKEN=planted-1")
    image_trial.search(tmp_path, {"Env": []}, "planted-2")
    assert "none of those that were planted" in capsys.readouterr().out
    with pytest.raises(Problem, match=r"app/settings: holds a secret of this machine; mend \.dockerignore"):
        image_trial.search(tmp_path, {"Env": []}, "planted-1")
    with pytest.raises(Problem, match="its settings: holds a secret"):
        image_trial.search(tmp_path, {"Env": ["TOKEN=planted-2"]}, "planted-2")
