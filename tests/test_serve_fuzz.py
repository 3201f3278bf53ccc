"""What an attacker sends: bodies, headers and paths that fit nothing are refused in words, and nothing breaks."""

import gzip
import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from examples import COST, labelled, params, payments
from fraud.onnx_file import to_onnx
from fraud.schema import Column, Schema
from fraud.stages import train
from malformed import Malformed
from postgres import database
from servers import TOKEN, Example, Live, Reply, example, home, running, settings

CARDS = example()
CARD = CARDS.payments()[0]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(home(tmp_path_factory.mktemp("root"))) as server:
        yield server


NAMES, NUMBERS = json.dumps(list(CARD)), json.dumps(list(CARD.values()))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"instances": [], "instances": []}', "field 'instances' is given twice"),
        (f'{{"dataframe_split": {{"columns": {NAMES}, "data": [], "data": []}}}}', "field 'data' is given twice"),
        (f'{{"inputs": {json.dumps(CARD)[:-1]}, "V1": 2}}}}', "field 'V1' is given twice"),
        (
            f'{{"dataframe_split": {{"columns": {NAMES[:-1]}, "V1"], "data": [{NUMBERS[:-1]}, 1]]}}}}',
            "field 'dataframe_split' has `columns` that are no names, or one of them twice",
        ),
        (f'{{"dataframe_split": {{"columns": [{"[" * 900 + "]" * 900}], "data": []}}}}', "that are no names"),
    ],
)
def test_mlflow_clients_may_not_give_a_column_twice(live: Live, body: str, said: str) -> None:
    reply = live.post("/invocations", body.encode())
    assert reply.status == 422
    assert said in reply.json["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [' + b"{}, " * 1_000_000 + b"{}]}",
        b'{"inputs": {"V1": [' + b"1, " * 1_000_000 + b"1]}}",
        b'{"dataframe_split": {"columns": [], "data": [' + b"[], " * 1_000_000 + b"[]]}}",
    ],
    ids=["objects", "columns", "split"],
)
def test_mlflow_clients_are_told_at_once_of_too_many_rows(live: Live, body: bytes) -> None:
    started = time.perf_counter()
    reply = live.post("/invocations", body)
    assert (reply.status, "in parts" in reply.json["detail"]) == (413, True)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "wanted", ["application/openmetrics-text; version=a", "text/plain; version=;q=x", "application/openmetrics-text;;;"]
)
def test_a_scraper_may_ask_for_any_version(live: Live, wanted: str) -> None:
    for path in "/prometheus", "/metrics":
        reply = live.get(path, headers={"Accept": wanted})
        assert (reply.status, b"predictions_total" in reply.body) == (200, True)


def test_a_compressed_body_is_refused_by_its_encoding(live: Live) -> None:
    body = gzip.compress(json.dumps(CARD).encode())
    reply = live.post("/predict", body, headers={"Content-Encoding": "gzip"})
    assert (reply.status, reply.headers["accept-encoding"]) == (415, "identity")
    assert reply.json["detail"] == "the body is encoded as gzip; send it as it is"
    assert live.post("/predict", CARD, headers={"Content-Encoding": "identity"}).status == 200


@pytest.mark.parametrize(("rows", "status"), [(100_000, 413), (20_000, 200)])
def test_a_hundred_thousand_rows_are_refused_and_the_refusal_arrives(live: Live, rows: int, status: int) -> None:
    body = b'{"data": [' + b", ".join([NUMBERS.encode()] * rows) + b"]}"
    assert (len(body) > 2**24) == (status == 413)
    assert live.post("/predict", body).status == status


def test_a_body_of_another_type_is_read_so_that_its_refusal_arrives(live: Live) -> None:
    assert live.post("/predict", b" " * 10_000_000, headers={"Content-Type": "text/plain"}).status == 415


def test_a_path_that_ends_lines_is_one_line_of_the_log_as_it_was_meant(live: Live) -> None:
    live.get("/%C2%85%E2%80%A8%C2%9B%C3%A9%FF%0A")
    lines = [json.loads(line) for line in (live.root / "stdout").read_bytes().splitlines()]
    assert lines[-1]["path"] == "/\x85\u2028\x9b\xe9\ufffd\n"
    assert (live.root / "stdout").read_bytes().isascii()


def test_a_host_that_is_no_name_is_a_problem_in_words(live: Live) -> None:
    reply = live.get("/health", headers={"Host": "a..b"})
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
    assert "its Host is no name" in reply.json["detail"]


@pytest.mark.parametrize("path", ["/predict", "/feedback", "/invocations"])
def test_a_long_name_of_a_field_does_not_come_back_whole(live: Live, path: str) -> None:
    reply = live.post(path, {"a" * 1_000_000: 1})
    assert reply.status == 422
    assert len(reply.body) < 1000


GUNICORN = ("gunicorn", "-w", "2", "--threads", "4", "-b", "127.0.0.1:PORT", "serve.app:create_app()")
STATED = {200, 400, 401, 404, 409, 413, 415, 422}
OF_HTTP = {400, 414, 417, 431}  # Of granian or gunicorn, which asked no app.


def odd_schema() -> Schema:
    """Return a schema of names and categories that could be taken for something else."""
    digits = Column(role="feature", type="category", categories=("1", "2", "10"), missing=True)
    return Schema(
        "odd",
        {
            "id": Column(role="identifier"),
            "data": Column(role="feature", type="number", missing=True),
            "it's é\u2028": Column(role="feature", type="integer", missing=True),
            "model": digits,
            "fraud": Column(role="label", type="integer"),
        },
    )


def odd_example() -> Example:
    schema, section = odd_schema(), params()
    rows = labelled(schema)
    trained = train.train(rows, schema, section, COST)
    contract = train.contract(trained, rows, schema, section, "0" * 32)
    return Example(to_onnx(trained.pipeline, trained.calibration, contract), schema, payments(schema))


def sent(live: Live, made: Malformed, count: int) -> list[tuple[Any, Reply]]:
    """Return requests and their answers, over one connection as long as it lives."""
    found, connection = [], live.connect(timeout=10)
    for _ in range(count):
        path, body, headers = made.request()
        try:
            reply = live.post(path, body, headers=headers, connection=connection)
        except (ConnectionError, http.client.RemoteDisconnected):  # After a refusal that it did not read to its end.
            connection.close()
            connection = live.connect(timeout=10)
            reply = live.post(path, body, headers=headers, connection=connection)
        found.append(((path, body[:2000], headers), reply))
    connection.close()
    return found


def check(request: Any, reply: Reply) -> list[str]:
    """Return the ids of an answer, after a look at it; a refusal has none."""
    if "x-request-id" not in reply.headers:
        assert reply.status in OF_HTTP, (request, reply)
        return []
    assert reply.status in STATED, (request, reply)
    if reply.status != 200:
        assert reply.headers["content-type"] == "application/problem+json", (request, reply)
        assert reply.json["detail"].strip(), (request, reply)
        assert (reply.json["status"], len(reply.body) < 10_000) == (reply.status, True), (request, reply)
        return []
    answers = reply.json.get("predictions", [reply.json])
    assert all(0 <= answer.get("fraud_probability", 0) <= 1 for answer in answers), (request, reply)
    return [answer["id"] for answer in answers]


def fuzzed(live: Live, payments: list[dict[str, Any]], count: int, log: str = "") -> Counter[int]:
    """Send `count` malformed requests, look at all that comes back, and return how often each status came."""
    threads = 4
    made = [Malformed(payments, number) for number in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        found = [one for part in pool.map(lambda one: sent(live, one, count // threads), made) for one in part]
    ids = {name for request, reply in found for name in check(request, reply)}
    engine = create_engine(log or settings(live.root)["REQUEST_LOG"])
    with engine.connect() as connection:
        logged = {row[0] for row in connection.execute(text("SELECT id FROM requests"))}
    engine.dispose()
    assert len(ids) > count / 100
    assert ids <= logged
    assert not [line for line in live.log() if line["level"] == "error" or "traceback" in line]
    assert live.get("/ready", token=None).status == 200
    return Counter(reply.status for _, reply in found)


@pytest.mark.parametrize("dataset", ["creditcard", "payments"])
def test_no_malformed_request_of_five_thousand_breaks_the_server(tmp_path: Path, dataset: str) -> None:
    served = example(dataset)
    with running(home(tmp_path, served)) as server:
        counts = fuzzed(server, served.payments(), 5000)
    assert counts.keys() >= STATED - {404}


def test_names_and_texts_of_all_kinds_get_past_gunicorn_and_postgresql(tmp_path: Path) -> None:
    served = odd_example()
    with database() as postgres, running(home(tmp_path, served), *GUNICORN, REQUEST_LOG=postgres.url) as server:
        counts = fuzzed(server, served.payments(), 2000, postgres.url.replace("://", "+psycopg://"))
    assert counts[200] > 30


def raw(live: Live, content: bytes) -> bytes:
    """Return what comes back within a second for bytes that may be no HTTP."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=1) as connection:
        found = b""
        with suppress(OSError):  # It may hang up at any moment, and then there is nothing to shut down.
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                found += part
        return found


ASKING = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n".encode()
POST, CHUNKED = b"POST /predict HTTP/1.1\r\n" + ASKING, b"Transfer-Encoding: chunked\r\n\r\n"
RAW = [
    *[
        POST + b"Content-Length: " + size + b"\r\n\r\n{}"
        for size in (b"-1", b"x", b"+2", b"2, 3", b"9" * 30, b"\xb2", b"100")
    ],
    *[POST + b"Content-Length: 2\r\n" + line + b"\r\n\r\n{}" for line in (b"Content-Length: 3", b"Content-Length: 2")],
    *[
        POST + CHUNKED + chunks
        for chunks in (b"zz\r\n{}\r\n0\r\n\r\n", b"f" * 16 + b"\r\n{}", b"-1\r\n{}\r\n", b"2\r\n{}", b"2\r\n{}XX")
    ],
    POST + b"Content-Length: 2\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    *[
        line + b"\r\nHost: x\r\n\r\n"
        for line in (b"GET /health", b"GET  /health HTTP/1.1", b"GET /health HTTP/9.9", b"G\x00T / HTTP/1.1")
    ],
    *[
        b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for path in (b"/%00", b"/%ff", b"/%ed%a0%80", b"/%2e%2e/%2fetc", b"/%zz")
    ],
    *[
        b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for path in (b"//health", b"/../x", b"*", b"http://x/health", b"/\xff", b"/" + b"a" * 70_000)
    ],
    *[
        b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for path in ("/prädict".encode(), b"/health#x", b"x:1", b"/?\xe2\x82\xac=%E2%82")
    ],
    *[
        method + b" /predict HTTP/1.1\r\n" + ASKING + b"\r\n"
        for method in (b"TRACE", b"PROPFIND", b"post", b"CONNECT", b"A" * 500, b"QUERY")
    ],
    *[
        b"GET /health HTTP/1.1\r\nX-Request-Id: " + name + b"\r\n\r\n"
        for name in (b"a\x01", b"\xff", "€".encode(), b"a\r\n b", b"\x7f")
    ],
    b"GET /health HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(500)) + b"\r\n",
    b"GET /health HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("words", [(), GUNICORN], ids=["granian", "gunicorn"])
def test_what_is_no_http_is_refused_and_breaks_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    with running(home(tmp_path), *words) as server:
        for content in RAW:
            found = raw(server, content)
            status = int(found[9:12] or 0)
            assert status < 500 or status == 505, (content[:300], found)
            if status >= 400 and b"\r\nx-request-id: " in found.lower():
                assert b"application/problem+json" in found, (content[:300], found)
        assert server.get("/health", token=None).status == 200
        assert not [line for line in server.log() if line["level"] == "error" or "traceback" in line]
