"""The keys of AWS: where they are looked for, in which order, and that they are never shown."""

import json
import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from fraud.errors import Problem
from loopback import Answer, answering, send
from s3 import free_port
from serve.remote import aws_keys
from serve.remote.aws_keys import find

LENT = json.dumps({"AccessKeyId": "lent", "SecretAccessKey": "hush", "Token": "token", "Expiration": "x"}).encode()
ROLES = "/latest/meta-data/iam/security-credentials/"
Set = Callable[[str, str], None]


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return monkeypatch.setenv


@pytest.fixture
def credentials(tmp_path: Path, env: Set) -> Path:
    path = tmp_path / "credentials"
    env("AWS_SHARED_CREDENTIALS_FILE", str(path))
    path.write_text(
        "[default]\naws_access_key_id = mine\naws_secret_access_key = hush\ns3 =\n    max_concurrent_requests = 2\n"
        "[work]\naws_access_key_id = work\naws_secret_access_key = hu#sh\naws_session_token = token\n"
        "[empty]\nregion = x\n"
    )
    return path


@pytest.mark.usefixtures("env")
def test_without_any_keys_it_says_where_to_put_them() -> None:
    with pytest.raises(Problem, match=r"found no credentials; set AWS_ACCESS_KEY_ID and .*AWS_PROFILE"):
        find({})


@pytest.mark.usefixtures("credentials")
def test_keys_of_the_settings_go_before_those_of_the_environment_and_those_before_the_file(env: Set) -> None:
    assert find({}).access == "mine"
    env("AWS_ACCESS_KEY_ID", "given")
    assert find({}).access == "mine"  # Half a pair is none.
    env("AWS_SECRET_ACCESS_KEY", "hush")
    env("AWS_SESSION_TOKEN", "token")
    assert find({})[1:] == ("given", "hush", "token")
    assert find({"access_key_id": "set", "secret_access_key": "hush"})[1:] == ("set", "hush", "")


@pytest.mark.usefixtures("credentials")
def test_the_profile_is_the_configured_one_or_that_of_the_environment(env: Set) -> None:
    assert find({"profile": "work"})[1:] == ("work", "hu#sh", "token")
    env("AWS_PROFILE", "work")
    assert find({}).access == "work"
    assert find({"profile": "default"}).access == "mine"


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("profile", ["empty", "unknown"])
def test_a_profile_without_keys_is_named(profile: str) -> None:
    with pytest.raises(Problem, match=f"credentials: found no keys of profile '{profile}'; add them, or set AWS_"):
        find({"profile": profile})


def test_a_broken_file_is_named_and_not_repeated(credentials: Path) -> None:
    credentials.write_text("aws_secret_access_key hush\n")
    with pytest.raises(Problem, match="credentials: not readable as sections") as problem:
        find({})
    assert "hush" not in str(problem.value)


@pytest.mark.parametrize("secret", ["hush\nx-header: y", "hüsh", "hu sh"])
def test_keys_that_no_header_can_carry_are_refused_and_not_repeated(env: Set, secret: str) -> None:
    env("AWS_ACCESS_KEY_ID", "given")
    env("AWS_SECRET_ACCESS_KEY", secret)
    with pytest.raises(Problem, match=r"AWS_ACCESS_KEY_ID: found characters .* that no key has") as problem:
        find({})
    assert secret[:3] not in str(problem.value)


def test_keys_show_where_they_are_from_and_nothing_else() -> None:
    assert repr(find({"access_key_id": "set", "secret_access_key": "hush"})) == "<keys from .dvc/config.local>"


def container(handler: BaseHTTPRequestHandler) -> None:
    known = handler.headers["Authorization"] == "a-token" and handler.path == "/v2/credentials"
    send(handler, 200 if known else 403, LENT if known else b"")


def test_a_container_lends_keys_for_its_token(tmp_path: Path, env: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(container) as url:
        env("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/v2/credentials")
        env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-token")
        assert find({})[1:] == ("lent", "hush", "token")
        (tmp_path / "token").write_text("a-token\n")
        env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another")
        env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        assert find({}).access == "lent"
        monkeypatch.setattr(aws_keys, "CONTAINER", url)
        env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials")
        env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1")
        assert find({}).source == "the container's role"


@pytest.mark.parametrize(("token", "answer"), [("another", container), ("a-token", lambda one: send(one, 200, b"{}"))])
def test_a_container_that_lends_nothing_is_named(env: Set, token: str, answer: Answer) -> None:
    with answering(answer) as url:
        env("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/v2/credentials")
        env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)
        with pytest.raises(Problem, match="the container's role: its address lends no keys") as problem:
            find({})
        assert token not in str(problem.value)


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path, env: Set) -> None:
    env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1")
    env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(Problem, match="none: there is no such file"):
        find({})


def machine(handler: BaseHTTPRequestHandler) -> None:
    if (handler.command, handler.path) == ("PUT", "/latest/api/token"):
        return send(handler, 200, b"a-token")
    if handler.headers["X-aws-ec2-metadata-token"] != "a-token":
        return send(handler, 401)
    return send(handler, 200, {ROLES: b"role\n", f"{ROLES}role": LENT}[handler.path])


def test_a_machine_lends_the_keys_of_its_role(env: Set) -> None:
    with answering(machine) as url:
        env("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{url}/")
        with pytest.raises(Problem, match="found no credentials"):
            find({})  # As long as asking is switched off.
        env("AWS_EC2_METADATA_DISABLED", "false")
        assert find({}) == ("the machine's role", "lent", "hush", "token")


def test_where_no_role_is_attached_the_search_ends_soon(env: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_keys, "TIMEOUT", 0.1)
    env("AWS_EC2_METADATA_DISABLED", "false")
    with answering(lambda handler: send(handler, 404)) as url:
        for address in (url, f"http://127.0.0.1:{free_port()}"):
            env("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
            with pytest.raises(Problem, match="found no credentials"):
                find({})
