"""Who may do what over HTTP: each route by each kind of token, limits, TLS, and the headers of answers."""

import base64
import http.client
import json
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certificates import certificate
from loopback import answering, send
from serve.app import create_app
from servers import ADMIN, TOKEN, Live, Reply, example, home, running

CARD = example().payments()[0]
NEXT = "the-next-token-of-a-caller"
ISSUER, AUDIENCE = "https://issuer.example", "fraud"
KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
OPEN = {"/health", "/ready", "/ping", "/version", "/", "/docs", "/openapi.json", "/static/<name>"}
BODIES: dict[str, Any] = {
    "/predict": CARD,
    "/invocations": {"instances": [CARD]},
    "/feedback": {"id": "nobody", "actual_label": True},
}
ADMINS = {"/reload-model"}


def keys() -> bytes:
    """Return the key set of the issuer."""
    listed = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return json.dumps({"keys": [{**listed, "kid": "one", "use": "sig", "alg": "RS256"}]}).encode()


def signed(key: Any = KEY, algorithm: str | None = "RS256", kid: str = "one", **changes: Any) -> str:
    """Return a token with good claims, but for the changes."""
    now = int(time.time())
    # Some are made when the tests are collected, and used a quarter of an hour later.
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "shop", "exp": now + 86_400, **changes}
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None}, key, algorithm, {"kid": kid}
    )


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    """Return a token of a header that PyJWT would not write."""
    good = signed().split(".")
    parts = [json.dumps(header).encode(), None, signature]
    texts = [good[1] if part is None else base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join(texts)


def shared_secret() -> str:
    """Return a token signed with the issuer's public key, as if that were a secret that both know."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').decode().rstrip("=")
    message = f"{header}.{signed().split('.')[1]}"
    mark = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(message.encode(), PUBLIC)
    return f"{message}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


def basic(word: str) -> str:
    return f"Basic {base64.b64encode(word.encode()).decode()}"


def strangers() -> dict[str, str | None]:
    """Return what no route with data may take for a token."""
    now = int(time.time())
    tokens = {
        "wrong": "no-token-of-anybody",
        "longer": TOKEN + "x",
        "shorter": TOKEN[:-1],
        "both": f"{TOKEN},{ADMIN}",
        "expired": signed(exp=now - 60),
        "no end": signed(exp=None),
        "not yet": signed(nbf=now + 600),
        "wrong audience": signed(aud="others"),
        "no audience": signed(aud=None),
        "wrong issuer": signed(iss="https://others.example"),
        "unknown key": signed(kid="two"),
        "key of another": signed(OTHER),
        "no name": signed(sub=""),
        "none": unsigned({"alg": "none", "kid": "one"}),
        "None": unsigned({"alg": "None", "kid": "one"}),
        "nOnE with a mark": unsigned({"alg": "nOnE", "kid": "one"}, b"mark"),
        "no algorithm": unsigned({"kid": "one"}),
        "public key as secret": shared_secret(),
        "key of its own": unsigned({"alg": "RS256", "jku": "http://127.0.0.1:1/keys", "kid": "mine"}, b"mark"),
        "deep": base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.e30",
        "cut": signed()[:-10],
    }
    found: dict[str, str | None] = {name: f"Bearer {token}" for name, token in tokens.items()}
    found |= {"nothing": None, "empty": "", "no word": "Bearer", "bare": TOKEN, "another scheme": f"Digest {TOKEN}"}
    found |= {"user": basic(f"{TOKEN}:"), "no password": basic(TOKEN), "wrong password": basic("user:wrong")}
    return found | {"no base64": "Basic !!", "twice": f"Bearer Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    root = home(tmp_path_factory.mktemp("root"))
    (root / "keys.json").write_bytes(keys())
    names = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS": str(root / "keys.json")}
    with running(root, API_TOKEN=f"{TOKEN}, {NEXT}", **names) as server:
        yield server


@pytest.fixture(scope="module")
def rules(live: Live) -> dict[str, set[str]]:
    """Return all paths of the app and what they take."""
    app = create_app({"REQUEST_LOG": f"sqlite:///{live.root}/other.db"}, live.root)
    found: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        found.setdefault(rule.rule, set()).update(rule.methods or ())
    return found


def asked(live: Live, method: str, path: str, authorization: str | None, **headers: str) -> Reply:
    given = headers | ({} if authorization is None else {"Authorization": authorization})
    body = BODIES.get(path, {}) if method == "POST" else None
    return live.ask(method, path.replace("<name>", "style.css"), body, token=None, headers=given)


def guarded(rules: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return each method of each path that is not open to all."""
    methods = {path: rules[path] - {"OPTIONS"} for path in rules.keys() - OPEN}
    return [(method, path) for path in sorted(methods) for method in sorted(methods[path])]


@pytest.mark.parametrize("kind", strangers())
def test_a_stranger_gets_no_data_from_any_route(live: Live, rules: dict[str, set[str]], kind: str) -> None:
    assert len(guarded(rules)) >= 8
    before = live.metric('predictions_total{label="legitimate"}')
    for method, path in guarded(rules):
        reply = asked(live, method, path, strangers()[kind])
        assert reply.status == 401, (method, path)
        assert reply.headers["www-authenticate"].startswith('Bearer realm="fraud"')
        if method != "HEAD":
            assert reply.headers["content-type"] == "application/problem+json"
            assert "token" in reply.json["detail"]
    assert live.metric('predictions_total{label="legitimate"}') == before


@pytest.mark.parametrize(
    ("authorization", "admin"),
    [
        (f"Bearer {TOKEN}", False),
        (f"bearer  {NEXT}", False),
        (basic(f"anybody:{TOKEN}"), False),
        (f"Bearer {signed()}", False),
        (f"Bearer {signed(scope='read administrator')}", False),
        (f"Bearer {signed(scope=['admin'])}", False),
        (f"Bearer {signed(aud=['others', AUDIENCE], scope='read admin')}", True),
        (f"Bearer {ADMIN}", True),
    ],
    ids=["token", "next token", "password", "signed", "other scope", "list", "admin by scope", "admin"],
)
def test_who_has_a_good_token_gets_what_is_theirs(
    live: Live, rules: dict[str, set[str]], authorization: str, admin: bool
) -> None:
    for method, path in guarded(rules):
        status = asked(live, method, path, authorization).status
        expected = {200} if path not in ADMINS or admin else {403}
        assert status in (expected | {404} if path == "/feedback" else expected), (method, path)


def test_what_is_open_is_open_and_tells_no_data(live: Live, rules: dict[str, set[str]]) -> None:
    live.post("/predict", CARD | {"transaction_id": "a-secret-transaction", "Amount": 987.125})
    for path in sorted(OPEN & rules.keys()):
        for authorization in None, "Bearer wrong":
            reply = asked(live, "GET", path, authorization)
            assert reply.status == 200, path
            assert not [word for word in (b"a-secret-transaction", b"987.125", TOKEN.encode()) if word in reply.body]


def test_each_path_says_what_it_takes_and_takes_no_more(live: Live, rules: dict[str, set[str]]) -> None:
    for path, methods in rules.items():
        told = asked(live, "OPTIONS", path, None)
        assert (told.status, told.body, set(told.headers["allow"].split(", "))) == (200, b"", methods), path
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - methods:
            reply = asked(live, method, path, f"Bearer {ADMIN}")
            assert (reply.status, set(reply.headers["allow"].split(", "))) == (405, methods), (method, path)


def test_head_says_what_get_says_without_the_body(live: Live, rules: dict[str, set[str]]) -> None:
    for path in sorted(path for path, methods in rules.items() if "HEAD" in methods):
        head, get = (asked(live, method, path, f"Bearer {TOKEN}") for method in ("HEAD", "GET"))
        assert (head.status, head.body, head.headers["content-type"]) == (200, b"", get.headers["content-type"]), path


def test_no_page_of_another_site_may_read_an_answer(live: Live, rules: dict[str, set[str]]) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST", "Sec-Fetch-Mode": "cors"}
    for path, methods in rules.items():
        for method in methods:
            reply = asked(live, method, path, f"Bearer {TOKEN}", **headers)
            assert not [name for name in reply.headers if name.startswith("access-control-")], (method, path)


def test_answers_are_kept_out_of_caches_and_taken_for_what_they_are(live: Live, rules: dict[str, set[str]]) -> None:
    connection = live.connect()
    for method, path in [*guarded(rules), ("GET", "/health"), ("GET", "/nowhere"), ("GET", "/"), ("GET", "/docs")]:
        connection.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
        found = connection.getresponse()
        found.read()
        assert found.headers.get_all("X-Content-Type-Options") == ["nosniff"], path
        caching = "no-cache" if path in OPEN - {"/health"} else "no-store"
        assert found.headers.get_all("Cache-Control") == [caching], path
        assert "content-security-policy" in found.headers or found.headers.get_content_type() != "text/html"
    connection.close()


def test_keys_of_an_issuer_are_asked_for_over_http(tmp_path: Path) -> None:
    names = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "API_TOKEN": "", "ADMIN_TOKEN": ""}
    with (
        answering(lambda handler: send(handler, 200, keys())) as issuer,
        running(home(tmp_path), JWT_JWKS=f"{issuer}/keys", **names) as server,
    ):
        assert server.post("/predict", CARD, token=signed()).status == 200
        assert server.post("/predict", CARD, token=signed(kid="two")).status == 401
        assert server.post("/reload-model", token=signed()).status == 403
        assert server.post("/reload-model", token=signed(scope="admin")).status == 200
        assert server.post("/predict", CARD, token=TOKEN).status == 401


def test_keys_come_by_tls_from_an_issuer_whose_authority_is_trusted_and_from_no_other(tmp_path: Path) -> None:
    made = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made["TLS_CERT"], made["TLS_KEY"])
    asked: list[str] = []

    def listed(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send(handler, 200, keys())

    with answering(listed, context) as issuer:
        names = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS": f"{issuer}/keys", "WORKERS": "1"}
        with running(home(tmp_path / "stranger"), **names) as server:
            assert server.post("/predict", CARD, token=signed()).status == 503
            assert server.post("/predict", CARD).status == 200
            assert any("certificate verify failed" in line["event"] for line in server.log())
        assert not asked
        with running(home(tmp_path / "friend"), SSL_CERT_FILE=made["TLS_CERT"], **names) as server:
            assert server.post("/predict", CARD, token=signed()).status == 200
            assert server.post("/predict", CARD, token=signed(OTHER)).status == 401
        assert asked == ["/keys"]


def test_a_caller_over_the_limit_is_told_when_to_ask_again_whichever_worker_answers(tmp_path: Path) -> None:
    with running(home(tmp_path), RATE_LIMIT="20/minute", API_TOKEN=f"{TOKEN},{NEXT}") as server:
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: server.post("/predict", CARD), range(60)))
        assert Counter(reply.status for reply in replies) == {200: 20, 429: 40}
        refused = next(reply for reply in replies if reply.status == 429)
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert "the limit is 20 a minute; ask again in" in refused.json["detail"]
        assert refused.headers["content-type"] == "application/problem+json"
        assert server.post("/predict", CARD, token=NEXT).status == 200
        assert server.get("/health").status == 200


def test_metrics_may_be_open_to_this_machine_and_not_to_those_behind_its_proxy(tmp_path: Path) -> None:
    with running(home(tmp_path), METRICS_OPEN="loopback") as server:
        for path in "/prometheus", "/metrics":
            assert server.get(path, token=None).status == 200
            for name in "X-Forwarded-For", "X-Real-IP", "Forwarded", "Via":
                assert server.get(path, token=None, headers={name: "for=127.0.0.1"}).status == 401, name
        for path in "/model", "/predictions":
            assert server.get(path, token=None).status == 401


def handshake(port: int, version: str) -> bool:
    """Say whether the server speaks a version of TLS."""
    words = ["-connect", f"localhost:{port}", f"-{version}", "-cipher", "ALL:@SECLEVEL=0"]
    done = subprocess.run(["openssl", "s_client", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


def test_with_a_certificate_it_speaks_tls_of_today_and_nothing_else(tmp_path: Path) -> None:
    names = certificate(tmp_path)
    with running(home(tmp_path), **names) as server:
        assert "serving on https://" in (tmp_path / "stderr").read_text()
        assert server.post("/predict", CARD).status == 200
        assert server.post("/predict", CARD, token=None).status == 401
        with pytest.raises((http.client.HTTPException, OSError)):
            Live(tmp_path, server.port, server.process).get("/health")
        with pytest.raises(ssl.SSLCertVerificationError):
            Live(tmp_path, server.port, server.process, ssl.create_default_context()).get("/health")
        assert [handshake(server.port, version) for version in ("tls1_1", "tls1_2", "tls1_3")] == [False, True, True]
        assert server.get("/health", token=None).status == 200
