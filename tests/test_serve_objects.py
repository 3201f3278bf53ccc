"""Fetching objects from the DVC remote: a folder, a real S3 server, and servers on loopback that misbehave."""

import hashlib
import os
import ssl
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from configobj import ConfigObj  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from certificates import certificate
from fraud.errors import Problem
from loopback import Answer, answering, send
from s3 import KEY, SECRET, free_port, serving
from s3 import Server as Bucket
from serve.remote import s3
from serve.remote.objects import Absent, fetch, remote

CONTENT = b"a model " * 5000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
OBJECT = f"files/md5/{MD5[:2]}/{MD5[2:]}"
PREFIX = "a prefix/ü+%41"


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Set a variable; at first the key of the S3 server is given, and nothing else of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(s3, "PAUSES", (0.01, 0.01))
    return monkeypatch.setenv


def configure(root: Path, file: str = "config", **settings: str) -> Path:
    (root / ".dvc").mkdir(parents=True, exist_ok=True)
    lines = "".join(f"    {key} = {value}\n" for key, value in settings.items())
    (root / ".dvc" / file).write_text(f"[core]\n    remote = storage\n['remote \"storage\"']\n{lines}")
    return root


def stored(folder: Path, content: bytes = CONTENT) -> None:
    (folder / OBJECT).parent.mkdir(parents=True)
    (folder / OBJECT).write_bytes(content)


@pytest.mark.parametrize("url", ["../elsewhere/remote", "{0}/elsewhere/remote", "file://{0}/elsewhere/remote"])
def test_an_object_comes_from_a_folder(tmp_path: Path, url: str) -> None:
    stored(tmp_path / "elsewhere/remote")
    configure(tmp_path, url=url.format(tmp_path))
    assert fetch(tmp_path, MD5, len(CONTENT)) == CONTENT


def test_a_folder_without_the_object_and_no_folder_are_told_from_damage(tmp_path: Path) -> None:
    configure(tmp_path, url="../remote")
    for _ in range(2):
        with pytest.raises(Absent, match=f"remote: does not hold {OBJECT}; `make push` .* `make repro` here"):
            fetch(tmp_path, MD5, len(CONTENT))
        (tmp_path / "remote").mkdir(exist_ok=True)


@pytest.mark.parametrize("content", [CONTENT[:-1], b"", CONTENT[:-1] + b"x"])
def test_bytes_that_do_not_match_are_refused_with_both_sums(tmp_path: Path, content: bytes) -> None:
    stored(tmp_path / "remote", content)
    configure(tmp_path, url="../remote")
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    with pytest.raises(Problem, match=f"with md5 {found}, but dvc.lock pins {len(CONTENT)} with {MD5}; remove") as one:
        fetch(tmp_path, MD5, len(CONTENT))
    assert one.value.code == 1


def test_more_bytes_than_are_pinned_are_refused(tmp_path: Path) -> None:
    stored(tmp_path / "remote")
    configure(tmp_path, url="../remote")
    with pytest.raises(Problem, match=r"found more than the 100 bytes that dvc\.lock pins"):
        fetch(tmp_path, MD5, 100)


def test_an_object_that_is_a_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "remote" / OBJECT).mkdir(parents=True)
    configure(tmp_path, url="../remote")
    with pytest.raises(Problem, match=r"[Ii]s a directory"):
        fetch(tmp_path, MD5, len(CONTENT))


def test_without_a_remote_nothing_is_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"\.dvc/config: found no default remote; `make remote S3="):
        fetch(tmp_path, MD5, len(CONTENT))


def test_a_remote_without_a_url_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"\.dvc/config: found no url of remote 'storage'; "):
        fetch(configure(tmp_path), MD5, len(CONTENT))


@pytest.mark.parametrize("scheme", ["gs", "ssh", "azure", "https"])
def test_a_remote_that_only_dvc_can_read_is_named_with_the_way_out(tmp_path: Path, scheme: str) -> None:
    configure(tmp_path, url=f"{scheme}://user:hush@bucket/prefix")
    with pytest.raises(
        Problem, match=f"'storage' is {scheme}://, the server reads folders and s3; run `dvc pull`"
    ) as one:
        fetch(tmp_path, MD5, len(CONTENT))
    assert "hush" not in str(one.value)


def test_settings_that_are_broken_are_named_and_not_repeated(tmp_path: Path) -> None:
    configure(tmp_path, url="../remote")
    (tmp_path / ".dvc/config.local").write_text("['remote \"storage\"']\nsecret_access_key hush\n")
    with pytest.raises(Problem, match=r"config\.local: not readable as sections of `key = value`") as problem:
        fetch(tmp_path, MD5, len(CONTENT))
    assert "hush" not in str(problem.value)


def test_local_settings_override_those_in_git(tmp_path: Path) -> None:
    configure(tmp_path, url="../remote", region="eu-west-1")
    configure(tmp_path, "config.local", url="../other  # mine")
    assert remote(tmp_path / ".dvc") == ("storage", {"url": "../other", "region": "eu-west-1"})


def test_settings_may_be_indented_as_it_pleases(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("  [core]\nremote = one\n['remote \"one\"']\n  url = ../one\n     region = x\n")
    assert remote(tmp_path) == ("one", {"url": "../one", "region": "x"})


VALUE = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="%$'\"]"), min_size=1)


@given(value=VALUE)
def test_settings_read_as_dvc_wrote_them(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "settings"
    folder.mkdir(exist_ok=True)
    config = ConfigObj({"core": {"remote": value}, f'remote "{value}"': {"url": value}}, encoding="utf-8")
    config.filename = str(folder / "config")
    config.write()
    assert remote(folder) == (value, {"url": value})


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    folder = tmp_path_factory.mktemp("s3")
    with serving(folder, "bucket") as server:
        stored(folder / "bucket" / PREFIX)
        yield server


@pytest.fixture
def root(tmp_path: Path, bucket: Bucket, env: object) -> Path:  # noqa: ARG001  # its variables are set
    return configure(tmp_path, url=f"s3://bucket/{PREFIX}", endpointurl=bucket.endpoint)


def test_an_object_comes_from_s3_under_an_odd_prefix(root: Path) -> None:
    assert fetch(root, MD5, len(CONTENT)) == CONTENT


def test_a_bucket_may_be_away_from_its_root(root: Path, bucket: Bucket) -> None:
    bucket.set(f"bucket/{OBJECT}", CONTENT)
    configure(root, url="s3://bucket", endpointurl=f"{bucket.endpoint}/")
    assert fetch(root, MD5, len(CONTENT)) == CONTENT


def test_keys_of_the_local_settings_open_the_bucket(root: Path, env: Callable[[str, str], None]) -> None:
    env("AWS_SECRET_ACCESS_KEY", "wrong")
    configure(root, "config.local", access_key_id=KEY, secret_access_key=f'"{SECRET}"')
    assert fetch(root, MD5, len(CONTENT)) == CONTENT


@pytest.mark.parametrize(("name", "value"), [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "nobody")])
def test_wrong_keys_are_refused_with_their_source_and_never_shown(
    root: Path, env: Callable[[str, str], None], name: str, value: str
) -> None:
    env(name, value)
    with pytest.raises(Problem, match=r"answered 403 \w+ to the keys from AWS_ACCESS_KEY_ID; give them s3:") as problem:
        fetch(root, MD5, len(CONTENT))
    assert problem.value.code == 1
    assert not any(secret in str(problem.value) for secret in (SECRET, "wrong", KEY))


def test_an_object_that_the_bucket_does_not_hold_is_absent(root: Path) -> None:
    with pytest.raises(
        Absent, match=r"s3://bucket/a prefix/.* at http://127\.0\.0\.1:\d+: does not hold files/md5/00/"
    ):
        fetch(root, "0" * 32, 5)


def test_a_bucket_that_does_not_exist_is_named_and_not_absent(root: Path, bucket: Bucket) -> None:
    configure(root, url="s3://no-such-bucket/prefix", endpointurl=bucket.endpoint)
    with pytest.raises(
        Problem, match=r"s3://no-such-bucket/prefix at .*: there is no such bucket; `make remote"
    ) as one:
        fetch(root, MD5, len(CONTENT))
    assert one.value.code == 1


@pytest.mark.parametrize("content", [CONTENT[:100], b"", b"x" + CONTENT[1:], CONTENT * 2])
def test_a_damaged_object_is_refused(root: Path, bucket: Bucket, content: bytes) -> None:
    with (
        bucket.changed(f"bucket/{PREFIX}/{OBJECT}", content),
        pytest.raises(Problem, match=r"files/md5/.* that dvc\.lock pins|, but dvc\.lock pins") as problem,
    ):
        fetch(root, MD5, len(CONTENT))
    assert problem.value.code == 1


def ask(root: Path, answer: Answer, size: int = len(CONTENT)) -> bytes:
    """Fetch from a server that answers so."""
    with answering(answer) as url:
        return fetch(configure(root, url="s3://bucket/prefix", endpointurl=url), MD5, size)


def error(status: int, code: str, **headers: str) -> Answer:
    return lambda handler: send(handler, status, f"<Error><Code>{code}</Code></Error>".encode(), **headers)


def cut(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, CONTENT[:1000], Content_Length=str(len(CONTENT)))


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize("fault", [error(500, "InternalError"), error(503, "SlowDown"), cut, hang_up])
def test_faults_that_pass_are_asked_again(tmp_path: Path, fault: Answer) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        fault(handler) if len(asked) < 3 else send(handler, 200, CONTENT)

    assert ask(tmp_path, answer) == CONTENT
    assert asked == [f"/bucket/prefix/{OBJECT}"] * 3


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (error(503, "SlowDown"), "answered 503 SlowDown"),
        (cut, f"the connection ended after 1000 of {len(CONTENT)} bytes"),
        (hang_up, "the connection broke"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), "the connection broke, or .* no HTTP server"),
        (lambda _: time.sleep(0.3), "no answer in 0.1 s"),
    ],
)  # fmt: skip
def test_faults_that_stay_end_after_three_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Answer, words: str
) -> None:
    monkeypatch.setattr(s3, "TIMEOUT", 0.1)
    with pytest.raises(Problem, match=f"s3://bucket/prefix at http://.*: {words}.*, at each of 3 tries") as problem:
        ask(tmp_path, fault)
    assert problem.value.code == 1


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize(
    ("endpoint", "words"),
    [("http://127.0.0.1:{0}", "connection refused"), ("http://nowhere.invalid", "[a-z -]+")],
)
def test_a_server_that_is_away_is_told_from_an_absent_object(tmp_path: Path, endpoint: str, words: str) -> None:
    configure(tmp_path, url="s3://bucket", endpointurl=endpoint.format(free_port()))
    with pytest.raises(Problem, match=f"{words}, at each of 3 tries; try again later") as problem:
        fetch(tmp_path, MD5, len(CONTENT))
    assert problem.value.code == 1


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.02)


@pytest.mark.usefixtures("env")
def test_an_endless_body_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=f"found more than the {len(CONTENT)} bytes"):
        ask(tmp_path, endless)


@pytest.mark.usefixtures("env")
def test_a_body_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "LONGEST", 0.1)
    with pytest.raises(Problem, match=r"not all bytes came in 0\.1 s, at each of 3 tries"):
        ask(tmp_path, drip)


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize(("status", "code"), [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")])
def test_a_wrong_region_is_named_with_the_right_one(tmp_path: Path, status: int, code: str) -> None:
    region = (
        "s3://bucket/prefix .* is in region eu-west-1, was asked as in us-east-1; `dvc remote modify storage region"
    )
    with pytest.raises(Problem, match=region):
        ask(tmp_path, error(status, code, x_amz_bucket_region="eu-west-1", Location="http://127.0.0.1:1"))


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error(302, "", Location="http://127.0.0.1:1/"), "answered 302, a redirect, which is not followed"),
        (error(400, "ExpiredToken"), "answered 400 ExpiredToken; look at endpointurl and the keys from AWS_"),
        (lambda handler: send(handler, 404, b"<html>"), "answered 404; look at endpointurl"),
        (error(403, "<script>"), "answered 403 to the keys from AWS_ACCESS_KEY_ID"),
    ],
)  # fmt: skip
def test_other_answers_are_told_at_once(tmp_path: Path, answer: Answer, words: str) -> None:
    with pytest.raises(Problem, match=words) as problem:
        ask(tmp_path, answer)
    assert problem.value.code == 1


@pytest.mark.usefixtures("env")
def test_a_certificate_that_nobody_trusts_is_refused_and_one_that_is_named_is_taken(
    tmp_path: Path, env: Callable[[str, str], None]
) -> None:
    made = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made["TLS_CERT"], made["TLS_KEY"])
    with answering(lambda handler: send(handler, 200, CONTENT), context) as url:
        configure(tmp_path, url="s3://bucket", endpointurl=url)
        with pytest.raises(Problem, match=r"its certificate is not trusted here; .* SSL_CERT_FILE"):
            fetch(tmp_path, MD5, len(CONTENT))
        env("SSL_CERT_FILE", made["TLS_CERT"])
        assert fetch(tmp_path, MD5, len(CONTENT)) == CONTENT
