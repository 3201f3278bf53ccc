"""make stack-…: secrets are looked at first, and told by name alone; what Docker is asked comes after."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import ROOT
from fraud.errors import Problem
from fraud.operations import stack_secrets
from fraud.operations.stack_secrets import check, fault, required
from repositories import ENVIRONMENT, Repository
from servers import example, pin

REQUIRED = required()
GOOD = "zBq7-Xw2_kPd94LmRt6v"
ALL_GOOD = {name: f"{GOOD}{number}" for number, name in enumerate(REQUIRED)}
FAKE = """#!/bin/sh
echo "$@ MODEL_MD5=$MODEL_MD5 GRAFANA_ADMIN_PASSWORD=$GRAFANA_ADMIN_PASSWORD" >>"{calls}"
case " $REFUSES " in *" $1 "*) exit 1;; esac
"""


class Machine:
    """A folder with what the targets read, and a program in the place of docker that writes down what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, folder.parent / "calls"
        (folder / "ops").mkdir(parents=True)
        shutil.copy2(ROOT / "ops/compose.yaml", folder / "ops")
        shutil.copy2(ROOT / ".env.example", folder)
        self.docker = folder.parent / "bin/docker"
        self.docker.parent.mkdir()
        self.docker.write_text(FAKE.format(calls=self.calls))
        self.docker.chmod(0o755)

    def run(self, verb: str, answer: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """Do what make stack-<verb> does."""
        kept = {name: value for name, value in ENVIRONMENT.items() if name not in REQUIRED}
        environment = kept | {"PATH": f"{self.docker.parent}:/usr/bin:/bin", "PYTHONPATH": f"{ROOT}/src"} | settings
        words = [sys.executable, "-m", "fraud.operations.stack", verb]
        return subprocess.run(
            words, cwd=self.folder, env=environment, input=answer, capture_output=True, text=True, check=False
        )

    def asked(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def env(self) -> dict[str, str]:
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "copy")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "is not set"),
        ("changeme-changeme-123", "is a default that everybody can guess"),
        ("MyPassword-2026-11-22", "is a default that everybody can guess"),
        ("zBq7-Xw2_kPd94L", "has 15 characters, where 16 or more are hard to guess"),
        ("abababababababababab", "has 2 different characters, which is easy to guess"),
        ("zBq7-Xw2$kPd94LmRt6v", "holds characters that not every reader of .env takes alike"),
        ('zBq7 Xw2"kPd94LmRt6v', "holds characters that not every reader of .env takes alike"),
        (GOOD, ""),
    ],
)
def test_a_weak_secret_is_told_by_what_is_wrong_with_it(value: str, sentence: str) -> None:
    assert fault(value) == sentence


@given(st.text(min_size=4))
def test_what_is_said_of_a_secret_never_holds_it(value: str) -> None:
    words = " ".join(["is a default that everybody can guess", "not set characters different where hard easy .env"])
    assert value in words or value not in fault(value)


@given(st.dictionaries(st.sampled_from(REQUIRED), st.sampled_from(["", "short"])))
def test_all_secrets_have_to_be_good_and_the_first_that_is_not_is_named(told: dict[str, str]) -> None:
    given_ = ALL_GOOD | {"API_TOKEN": f"{GOOD}x,{GOOD}y"} | told
    bad = [name for name in REQUIRED if fault(given_[name].split(",")[0])]
    if not bad:
        return check(given_)
    with pytest.raises(Problem, match=rf"^\.env: {bad[0]} .*") as caught:
        check(given_)
    assert ("more)" in str(caught.value)) == (len(bad) > 1)
    return None


def test_profile_watch_needs_what_nobody_can_make_up() -> None:
    good = ALL_GOOD
    with pytest.raises(Problem, match="WATCH_REPOSITORY is not set, which profile watch needs"):
        check(good | {"COMPOSE_PROFILES": "s3,watch"})
    check(good | {"COMPOSE_PROFILES": "s3,watch", **dict.fromkeys(stack_secrets.WATCH, "given")})


@given(st.lists(st.sampled_from(REQUIRED), min_size=2, max_size=2, unique=True), st.booleans())
def test_no_two_secrets_are_the_same(names: list[str], second: bool) -> None:
    first, last = sorted(names, key=REQUIRED.index)
    value = f"{GOOD}x,{ALL_GOOD[first]}" if second else ALL_GOOD[first]
    with pytest.raises(Problem, match=rf"^\.env: {last} is the same as {first}, and has to be another one; "):
        check(ALL_GOOD | {last: value})


MAIL = {"ALERT_EMAIL": "ann@bank.example", "ALERT_EMAIL_FROM": "fraud@bank.example", "SMTP_HOST": "mail:587"}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"COMPOSE_PROFILES": "s3,wach"}, "COMPOSE_PROFILES names wach, expected s3 or watch; "),
        ({"SLACK_WEBHOOK": "nourl"}, "SLACK_WEBHOOK is no address that begins with https:// or http://; "),
        ({"ALERT_WEBHOOK": "https://"}, "ALERT_WEBHOOK is no address that begins with https:// or http://; "),
        (MAIL | {"SMTP_HOST": ""}, "SMTP_HOST is no host:port, which ALERT_EMAIL needs; "),
        (MAIL | {"SMTP_HOST": "mail"}, "SMTP_HOST is no host:port, which ALERT_EMAIL needs; "),
        (MAIL | {"ALERT_EMAIL_FROM": ""}, "ALERT_EMAIL_FROM is not set, which ALERT_EMAIL needs; "),
        (MAIL | {"SLACK_WEBHOOK": "https://hooks.example/x", "COMPOSE_PROFILES": "s3"}, ""),
    ],
)
def test_what_would_stop_a_container_later_is_told_before_the_start(told: dict[str, str], sentence: str) -> None:
    if not sentence:
        return check(ALL_GOOD | told)
    with pytest.raises(Problem) as caught:
        check(ALL_GOOD | told)
    assert str(caught.value).startswith(f".env: {sentence}")
    return None


def test_a_file_that_cannot_be_read_is_named_with_its_own_remedy(machine: Machine) -> None:
    (machine.folder / ".env").write_bytes(b"API_TOKEN=\xff")
    said = machine.run("up")
    assert (said.returncode, said.stderr) == (1, ".env: found a byte at 10 that is not UTF-8; write it in UTF-8\n")
    (machine.folder / ".env").unlink()
    (machine.folder / ".env.example").unlink()
    said = machine.run("env")
    assert said.stderr == ".env.example: there is no such file; `git checkout .env.example` brings it back\n"


def test_a_written_env_is_for_its_owner_random_good_and_never_written_over(machine: Machine, tmp_path: Path) -> None:
    said = machine.run("env")
    assert said.returncode == 0, said.stderr
    path = machine.folder / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secrets = machine.env()
    assert set(secrets) == set(REQUIRED)
    assert len(set(secrets.values())) == len(secrets)
    assert {fault(value) for value in secrets.values()} == {""}
    assert not [value for value in secrets.values() if value in said.stdout]
    before = path.read_bytes()
    again = machine.run("env")
    assert (again.returncode, path.read_bytes()) == (1, before)
    assert again.stderr == ".env: is there, and stays as it is; `make stack-up` says what it lacks\n"
    assert Machine(tmp_path / "other/copy").run("env").returncode == 0
    assert (tmp_path / "other/copy/.env").read_bytes() != before


def test_without_secrets_or_with_a_default_one_docker_is_not_even_asked(machine: Machine) -> None:
    said = machine.run("up")
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "FRAUD_DB_PASSWORD is not set (and 8 more); `make stack-env` writes that file" in said.stderr
    machine.run("env")
    said = machine.run("up", GRAFANA_ADMIN_PASSWORD="changeme")  # noqa: S106  # the environment goes before .env
    assert said.stderr == ".env: GRAFANA_ADMIN_PASSWORD is a default that everybody can guess; mend it there\n"
    assert machine.asked() == []


@pytest.mark.parametrize(
    ("refuses", "sentence"),
    [
        ("compose", "docker: has no Compose plugin; install 2.20.2 or newer"),
        ("info", "docker: the engine does not answer; start it, or join its group"),
        ("", "docker: is not installed; install Docker Engine with its Compose plugin"),
    ],
)
@pytest.mark.parametrize("verb", ["up", "down", "clean"])
def test_without_docker_one_line_says_what_is_missing(verb: str, refuses: str, sentence: str, machine: Machine) -> None:
    machine.run("env")
    empty = machine.folder.parent / "empty"
    empty.mkdir()
    settings = {} if refuses else {"PATH": str(empty)}
    said = machine.run(verb, YES="1", REFUSES=refuses, **settings)
    assert said.returncode == 1
    assert said.stderr.startswith(sentence)
    assert said.stderr.count("\n") == 1


def test_up_builds_and_waits_with_the_pinned_model_and_refuses_another(machine: Machine) -> None:
    pin(machine.folder, example())
    copy = Repository(machine.folder)
    (machine.folder / ".gitignore").write_text("/models/\n/.env\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a stack"]):
        copy.run("git", *words)
    machine.run("env")
    said = machine.run("up")
    assert said.returncode == 0, said.stderr
    assert machine.asked()[-1].startswith(
        f"compose --file ops/compose.yaml up --detach --build --wait MODEL_MD5={example().md5}"
    )
    (machine.folder / "models/model.onnx").write_bytes(b"another")
    said = machine.run("up")
    assert "run `make pull-model`" in said.stderr


def test_down_keeps_the_volumes_and_needs_no_secret_for_it(machine: Machine) -> None:
    assert machine.run("down").returncode == 0
    last = "compose --file ops/compose.yaml --profile s3 --profile watch down MODEL_MD5= GRAFANA_ADMIN_PASSWORD=gone"
    assert machine.asked()[-1] == last


@pytest.mark.parametrize(
    ("answer", "settings", "deletes"),
    [
        ("delete\n", {}, True),
        ("yes\n", {}, False),
        ("", {}, False),
        ("", {"YES": "1"}, True),
        ("", {"YES": "0"}, False),
    ],
)
def test_clean_deletes_the_volumes_only_after_the_word(
    answer: str, settings: dict[str, str], deletes: bool, machine: Machine
) -> None:
    said = machine.run("clean", answer, **settings)
    assert (said.returncode == 0) == deletes
    assert any(" down --volumes " in call for call in machine.asked()) == deletes
    assert ("nothing was deleted" in said.stderr) == (not deletes)


def test_settings_are_read_as_compose_reads_them(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(machine.folder)
    Path(".env").write_text(f"# a comment\n#A=1\nB='two'\nC=\"three\"\nD = {GOOD}=\n\nE=\nexport F=6\n")
    assert stack_secrets.settings({"B": "ours"}) == {"B": "ours", "C": "three", "D": f"{GOOD}=", "E": "", "F": "6"}
