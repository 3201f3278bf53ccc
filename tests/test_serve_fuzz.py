"""What an attacker sends: bodies, headers and paths that fit nothing are refused in words, and nothing breaks."""

import gzip
import json
import time
from collections.abc import Iterator

import pytest

from servers import Live, example, home, running

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
    assert (reply.status, "send them in parts" in reply.json["detail"]) == (413, True)
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


def test_a_host_that_is_no_name_is_a_problem_in_words(live: Live) -> None:
    reply = live.get("/health", headers={"Host": "a..b"})
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
    assert "its Host is no name" in reply.json["detail"]


@pytest.mark.parametrize("path", ["/predict", "/feedback", "/invocations"])
def test_a_long_name_of_a_field_does_not_come_back_whole(live: Live, path: str) -> None:
    reply = live.post(path, {"a" * 1_000_000: 1})
    assert reply.status == 422
    assert len(reply.body) < 1000
