"""Who asks: static tokens, JSON web tokens of an issuer, and everything that is neither."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from serve.access import keys
from serve.access.auth import Auth, Caller
from serve.problems import Refusal
from serve.settings import load

USER, SECOND, ADMIN = "a-user-token-of-24-chars", "another-user-token-of-32", "an-admin-token-of-24-char"
ISSUER, AUDIENCE = "https://issuer.example", "fraud"
PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
STATIC = Auth(load({"API_TOKEN": f"{USER},{SECOND}", "ADMIN_TOKEN": ADMIN}))


def jwk(algorithm: str, name: str | None = None, key: Any = None) -> dict[str, Any]:
    """Return a public key as an issuer lists it."""
    public = (key or PRIVATE[algorithm]).public_key()
    content: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    return {"kid": name or algorithm, **{part: value for part, value in content.items() if part != "key_ops"}}


def key_set(*listed: dict[str, Any]) -> str:
    return json.dumps({"keys": listed or [jwk(name) for name in PRIVATE]})


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token; None takes one away."""
    now = int(time.time())
    content = {"iss": ISSUER, "aud": AUDIENCE, "sub": "payments", "exp": now + 60, "iat": now, **changes}
    return {name: value for name, value in content.items() if value is not None}


def signed(algorithm: str = "ES256", kid: str | None = None, key: Any = None, **changes: Any) -> str:
    headers = {"kid": kid or algorithm}
    return "Bearer " + jwt.encode(claims(**changes), key or PRIVATE[algorithm], algorithm, headers)


def auth(source: str | Path) -> Auth:
    names = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS": str(source)}
    return Auth(load({"API_TOKEN": USER, **names}))


def refused(by: Auth, header: str | None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        by.who(header)
    return caught.value


def wrong(by: Auth, header: str) -> str:
    """Return the sentence of a 401 that says that the token is wrong."""
    refusal = refused(by, header)
    challenge = f'Bearer realm="fraud", error="invalid_token", error_description="{refusal.detail}"'
    assert (refusal.status, refusal.headers) == (401, {"WWW-Authenticate": challenge})
    return refusal.detail


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(key_set())
    return path


class Issuer:
    """A server on loopback that lists keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.text, self.status, self.delay, self.asked = key_set(), 200, 0.0, 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                time.sleep(issuer.delay)
                self.send_response(issuer.status)
                self.send_header("Location", "/elsewhere")
                with suppress(BrokenPipeError, ConnectionResetError):  # Of who gave up.
                    self.end_headers()
                    self.wfile.write(issuer.text.encode())

            def log_message(self, *words: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/keys"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    one = Issuer()
    yield one
    one.stop()


def test_a_static_token_names_its_caller_without_telling_the_token() -> None:
    user, second = STATIC.who(f"Bearer {USER}"), STATIC.who(f"bearer  {SECOND} ")
    assert user == STATIC.who(f"Bearer {USER}") == Caller(f"token-{sha256(USER.encode()).hexdigest()[:8]}", admin=False)
    assert second.name != user.name


def test_an_admin_token_may_do_all_and_a_user_token_may_not() -> None:
    STATIC.admin(STATIC.who(f"Bearer {ADMIN}"))
    with pytest.raises(Refusal, match="takes an admin token") as caught:
        STATIC.admin(STATIC.who(f"Bearer {USER}"))
    assert caught.value.status == 403
    assert caught.value.headers["WWW-Authenticate"].startswith('Bearer realm="fraud", error="insufficient_scope"')


def test_where_no_token_is_an_admins_the_refusal_says_what_to_set(listed: Path) -> None:
    for by, sentence in (
        (
            Auth(load({"API_TOKEN": USER})),
            "this server has none, as ADMIN_TOKEN is not set: set it and start again, or",
        ),
        (STATIC, "one of ADMIN_TOKEN, or one that its issuer gave the scope 'admin'"),
        (auth(listed), "one of ADMIN_TOKEN, or one that its issuer gave the scope 'admin'"),
    ):
        with pytest.raises(Refusal, match=sentence) as caught:
            by.admin(by.who(f"Bearer {USER}"))
        assert caught.value.status == 403


def test_a_token_that_is_listed_twice_is_an_admin_token() -> None:
    assert Auth(load({"API_TOKEN": USER, "ADMIN_TOKEN": USER})).who(f"Bearer {USER}").admin


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (None, "the request has no token; send `Authorization: Bearer <token>`"),
        ("", "the request has no token"),
        ("Basic", "holds no bearer token"),
        ("Basic %%%", "holds no bearer token"),
        ("Basic /w==", "holds no bearer token"),
        ("Basic dXNlcg==", "holds no bearer token"),
        ("Bearer", "holds no bearer token"),
        (USER, "holds no bearer token"),
    ],
)
def test_who_sends_no_token_is_told_how(header: str | None, sentence: str) -> None:
    refusal = refused(STATIC, header)
    assert (refusal.status, refusal.headers) == (401, {"WWW-Authenticate": 'Bearer realm="fraud"'})
    assert sentence in refusal.detail


def test_a_client_that_knows_only_users_and_passwords_sends_its_token_as_the_password() -> None:
    for token, admin in (USER, False), (ADMIN, True):
        encoded = base64.b64encode(f"anybody:{token}".encode()).decode()
        assert STATIC.who(f"Basic {encoded}").admin == admin
    with pytest.raises(Refusal) as refusal:
        STATIC.who("Basic dXNlcjpwYXNz")
    assert refusal.value.status == 401


@pytest.mark.parametrize("token", ["wrong", USER[:-1], USER + "x", USER.upper(), f"{USER},{SECOND}", "a.b.c"])
def test_a_wrong_token_is_refused(token: str) -> None:
    assert wrong(STATIC, f"Bearer {token}") == "the token is not one that this server knows"


def test_without_tokens_nobody_is_let_in() -> None:
    assert "not one that this server knows" in wrong(Auth(load({})), "Bearer wrong")


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_token_of_the_issuer_names_its_subject(algorithm: str, listed: Path) -> None:
    assert auth(listed).who(signed(algorithm)) == Caller("payments", admin=False)


def test_static_tokens_are_good_beside_the_issuers(listed: Path) -> None:
    assert auth(listed).who(f"Bearer {USER}").name == STATIC.who(f"Bearer {USER}").name


@pytest.mark.parametrize(
    ("changes", "admin"),
    [
        ({"scope": "openid admin"}, True),
        ({"roles": ["reader", "admin"]}, True),
        ({"scope": "administrator"}, False),
        ({"roles": "admin"}, False),
        ({"scope": ["admin"], "roles": {"admin": 1}}, False),
    ],
)
def test_the_issuer_makes_admins_by_scope_or_roles(changes: dict[str, Any], admin: bool, listed: Path) -> None:
    assert auth(listed).who(signed(**changes)).admin is admin


def test_a_name_is_cut_and_holds_nothing_that_would_break_a_log(listed: Path) -> None:
    assert auth(listed).who(signed(sub="pay\n\x1b[31mments\ud800" + "é" * 200)).name == "pay[31mments" + "é" * 88


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"exp": 1}, "the token is expired"),
        ({"exp": int(time.time()) - 6}, "the token is expired"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"iat": int(time.time()) + 3600}, "not valid yet"),
        ({"aud": "another"}, "for another audience than this server's"),
        ({"aud": ["another"]}, "for another audience"),
        ({"iss": "https://evil.example"}, "from another issuer than this server's"),
        ({"exp": None}, "lacks a claim; it needs exp, iss, aud, sub"),
        ({"iss": None}, "lacks a claim"),
        ({"aud": None}, "lacks a claim"),
        ({"sub": None}, "lacks a claim"),
        ({"sub": " \n"}, "'sub' is empty"),
        ({"sub": 7}, "neither one that this server knows nor a JSON web token that it can read"),
        ({"exp": "soon"}, "neither one that this server knows nor"),
        ({"exp": 1e400}, "neither one that this server knows nor"),
        ({"kid": "unlisted"}, "signed with a key that its issuer does not list"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "signature does not fit the issuer's key"),
        ({"algorithm": "RS384", "key": PRIVATE["RS256"], "kid": "RS256"}, "not signed in the way of its key"),
        ({"algorithm": "RS256", "kid": "ES256"}, "not signed in the way of its key"),
    ],
)
def test_a_token_that_is_not_good_here_is_told_why(changes: dict[str, Any], sentence: str, listed: Path) -> None:
    assert sentence in wrong(auth(listed), signed(**changes))


def encoded(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, ["ES256"], {"a": 1}])
def test_a_token_without_signature_is_refused(algorithm: Any, listed: Path) -> None:
    token = f"{encoded({'alg': algorithm, 'kid': 'ES256'})}.{encoded(claims())}."
    assert "'none' and HS... are never accepted" in wrong(auth(listed), f"Bearer {token}")


@pytest.mark.parametrize("kid", ["RS256", "shared"])
def test_a_public_key_is_no_shared_secret(kid: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    shared = base64.urlsafe_b64encode(b"a secret that the issuer listed!").decode().rstrip("=")
    path.write_text(key_set(jwk("RS256"), {"kty": "oct", "kid": "shared", "k": shared}))
    secret = PRIVATE["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = f"{encoded({'alg': 'HS256', 'kid': kid})}.{encoded(claims())}"
    signatures = [
        get_default_algorithms()["HS256"].sign(parts.encode(), one)
        for one in (secret, b"a secret that the issuer listed!")
    ]
    for signature in signatures:
        token = f"{parts}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        assert "'none' and HS... are never accepted" in wrong(auth(path), f"Bearer {token}")


def test_a_listed_private_or_encryption_key_signs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    private = get_default_algorithms()["ES256"].to_jwk(PRIVATE["ES256"], as_dict=True)
    path.write_text(key_set({**private, "kid": "ES256", "key_ops": ["verify"]}, {**jwk("EdDSA"), "use": "enc"}))
    assert "does not list" in wrong(auth(path), signed("ES256"))
    assert "does not list" in wrong(auth(path), signed("EdDSA"))


GOOD = jwt.encode({"sub": "x"}, PRIVATE["ES256"], "ES256", {"kid": "ES256"})
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "..",
        "a.b.c",
        "!!!.???.***",
        f"{HEADER}.{PAYLOAD}",
        f"{HEADER}.{PAYLOAD}.{SIGNATURE}.{SIGNATURE}",
        f"{encoded([1])}.{PAYLOAD}.{SIGNATURE}",
        f"{encoded({'alg': 'ES256', 'kid': ['ES256']})}.{PAYLOAD}.{SIGNATURE}",
        f"{encoded({'alg': 'ES256', 'kid': 'ES256', 'b64': False, 'crit': ['b64']})}..{SIGNATURE}",
        f"{encoded({'alg': 'ES256', 'kid': 'ES256', 'crit': ['x'], 'x': 1})}.{PAYLOAD}.{SIGNATURE}",
        base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("=") + f".{PAYLOAD}.{SIGNATURE}",
    ],
)
def test_garbage_is_refused(token: str, listed: Path) -> None:
    assert "neither one that this server knows nor" in wrong(auth(listed), f"Bearer {token}")


@pytest.mark.parametrize("token", ["x" * 8193, "a." * 100_000, "tökën-tökën-tökën", "\ud800"])
def test_a_token_that_is_too_long_or_not_ascii_is_refused_before_it_is_read(token: str, listed: Path) -> None:
    assert "longer than 8192 characters, or not ASCII" in wrong(auth(listed), f"Bearer {token}")


texts = st.one_of(
    st.text(),
    st.text().map("Bearer {}".format),
    st.tuples(st.binary(), st.binary(), st.binary()).map(
        lambda parts: "Bearer " + ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    ),
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku"]),
        st.sampled_from(
            ["ES256", "RS256", "none", "HS256", None, 1, True, False, [], ["b64"], {"kty": "oct"}, "\ud800"]
        ),
    ).map(lambda header: f"Bearer {encoded(header)}.{PAYLOAD}.{SIGNATURE}"),
)


@example("Bearer \x00.\x00.\x00")
@given(texts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_raises_anything_but_a_refusal(listed: Path, header: str) -> None:
    assert refused(auth(listed), header).status == 401


def test_a_file_of_keys_is_read_again_when_it_changes(listed: Path) -> None:
    by, other = auth(listed), ec.generate_private_key(ec.SECP256R1())
    by.who(signed())
    listed.write_text(key_set(jwk("ES256", "new", other)))
    assert by.who(signed(kid="new", key=other)).name == "payments"
    assert "does not list" in wrong(by, signed())


def test_a_file_of_keys_that_breaks_leaves_the_known_keys_and_says_so(
    listed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    by = auth(listed)
    by.who(signed())
    for break_it in (lambda: listed.write_text('{"keys": ['), listed.unlink):
        break_it()
        assert by.who(signed()).name == "payments"
        assert refused(by, signed(kid="new")).status == 503
    assert [record.message.startswith("JWT_JWKS: ") for record in caplog.records] == [True, True]


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"keys": 7}', '{"keys": [{"kty": "RSA", "alg": "none"}]}', "[" * 10**5]
)
def test_without_readable_keys_the_answer_is_503_and_static_tokens_go_on(text: str, listed: Path) -> None:
    listed.write_text(text)
    by = auth(listed)
    refusal = refused(by, signed())
    assert (refusal.status, refusal.headers) == (503, {"Retry-After": "10"})
    assert "the keys of the token's issuer cannot be read" in refusal.detail
    assert by.who(f"Bearer {USER}")


def test_keys_are_fetched_once_for_many_tokens(issuer: Issuer) -> None:
    by = auth(issuer.address)
    issuer.delay = 0.1
    with ThreadPoolExecutor(8) as pool:
        callers = list(pool.map(lambda _: by.who(signed()), range(40)))
    assert (set(callers), issuer.asked) == ({Caller("payments", admin=False)}, 1)


def test_unknown_keys_do_not_make_us_ask_the_issuer_each_time(issuer: Issuer) -> None:
    by = auth(issuer.address)
    for number in range(20):
        assert "does not list" in wrong(by, signed(kid=f"unknown {number}"))
    assert issuer.asked == 1


def test_a_new_key_of_the_issuer_is_found_after_a_pause(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PAUSE", 0.2)
    by, other = auth(issuer.address), ec.generate_private_key(ec.SECP256R1())
    by.who(signed())
    issuer.text = key_set(jwk("ES256", "new", other))
    assert "does not list" in wrong(by, signed(kid="new", key=other))
    time.sleep(0.25)
    assert by.who(signed(kid="new", key=other)).name == "payments"
    assert "does not list" in wrong(by, signed())
    assert issuer.asked == 2


def test_a_key_that_the_issuer_takes_away_is_good_for_a_while_only(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PAUSE", 0.05)
    monkeypatch.setattr(keys, "FRESH", 0.2)
    by = auth(issuer.address)
    by.who(signed())
    issuer.text = key_set(jwk("RS256"))
    assert by.who(signed()).name == "payments"
    time.sleep(0.25)
    assert "does not list" in wrong(by, signed())


@pytest.mark.parametrize("status", [500, 302, 404])
def test_an_issuer_that_is_away_gives_503_and_is_asked_again_after_a_pause_only(
    status: int, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PAUSE", 0.3)
    by = auth(issuer.address)
    issuer.status = status
    assert [refused(by, signed()).status for _ in range(5)] == [503] * 5
    assert issuer.asked == 1
    issuer.status = 200
    time.sleep(0.35)
    assert by.who(signed()).name == "payments"


def test_nobody_listening_gives_503(issuer: Issuer) -> None:
    issuer.stop()
    assert refused(auth(issuer.address), signed()).status == 503


def test_a_slow_issuer_holds_up_nobody_with_a_known_key(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PAUSE", 0.0)
    monkeypatch.setattr(keys, "FRESH", 0.0)
    by = auth(issuer.address)
    by.who(signed())
    issuer.delay = 1.0
    stranger = threading.Thread(target=refused, args=(by, signed(kid="unknown")))
    stranger.start()
    while issuer.asked < 2:
        time.sleep(0.005)
    begin = time.monotonic()
    assert by.who(signed()).name == "payments"
    assert time.monotonic() - begin < 0.5
    stranger.join()


def test_an_issuer_that_does_not_answer_is_given_up_and_known_keys_stay_good_for_a_while(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "TIMEOUT", 0.1)
    monkeypatch.setattr(keys, "PAUSE", 0.0)
    by = auth(issuer.address)
    by.who(signed())
    issuer.delay = 0.3
    assert refused(by, signed(kid="unknown")).status == 503
    assert by.who(signed()).name == "payments"
    monkeypatch.setattr(keys, "KEEP", 0.0)
    assert refused(by, signed()).status == 503


def test_after_an_idle_hour_all_who_come_at_once_wait_for_the_keys(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PAUSE", 0.0)
    monkeypatch.setattr(keys, "FRESH", 0.1)
    monkeypatch.setattr(keys, "KEEP", 0.5)
    by = auth(issuer.address)
    by.who(signed())
    time.sleep(0.55)
    issuer.delay = 0.1
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: by.who(signed()), range(4))) == {Caller("payments", admin=False)}
