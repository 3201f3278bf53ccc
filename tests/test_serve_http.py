"""What the server says to each kind of request: labels, idempotency, MLflow's protocol, metrics, and every refusal."""

import gc
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from fraud.scoring import Model
from serve.app import create_app
from servers import ADMIN, TOKEN, Live, example, home, running
from waiting import until

CARDS = example()
PAYMENTS = CARDS.payments()
OPEN = {"/health", "/ready", "/ping", "/version", "/", "/docs", "/openapi.json"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(home(tmp_path_factory.mktemp("root")), MAX_BODY="2MB", MAX_ROWS="1000") as server:
        yield server


def answer(live: Live, place: int, **more: Any) -> Any:
    return live.post("/predict", PAYMENTS[place] | more).json


def test_the_same_transaction_gets_the_same_answer_again_and_one_row(live: Live) -> None:
    first, second = answer(live, 1, transaction_id="t-1"), answer(live, 1, transaction_id="t-1")
    assert first == second
    assert first["transaction_id"] == "t-1"
    listed = live.post("/predict", {"data": [PAYMENTS[1] | {"transaction_id": "t-1"}, PAYMENTS[2]]}).json
    assert listed["predictions"][0]["id"] == first["id"]


def test_a_known_transaction_is_counted_once_and_its_requests_each_time(live: Live) -> None:
    def counted() -> list[float]:
        labels = [live.metric(f'predictions_total{{label="{label}"}}') for label in ("legitimate", "fraud")]
        frauds, histogram = live.metric("fraud_predictions_total"), live.metric("fraud_probabilities_count")
        return [sum(labels), frauds, histogram, live.metric("prediction_latency_seconds_count")]

    fraud = next(payment for payment in PAYMENTS if live.post("/predict", payment).json["is_fraud"])
    before = np.array(counted())
    named = [fraud | {"transaction_id": f"counted-{number}"} for number in (1, 1, 2)]
    bodies: list[Any] = [named[0], named[0], {"data": named}, {"data": named}, {"data": []}]
    for body in bodies:
        assert live.post("/predict", body).status == 200
    assert (np.array(counted()) - before).tolist() == [2, 2, 2, 4]


def test_another_payment_under_a_known_transaction_is_a_conflict(live: Live) -> None:
    answer(live, 1, transaction_id="t-2")
    reply = live.post("/predict", PAYMENTS[2] | {"transaction_id": "t-2"})
    assert reply.status == 409
    assert reply.json["detail"].startswith("transaction_id 't-2' came with other features before; give each payment")


def test_a_list_with_a_conflict_leaves_nothing_in_the_log(live: Live) -> None:
    answer(live, 1, transaction_id="t-3")
    engine = create_engine(f"sqlite:///{live.root}/requests.db")
    with engine.connect() as connection:
        before = connection.scalar(text("SELECT count(*) FROM requests"))
        for rows in (
            [PAYMENTS[2], PAYMENTS[2] | {"transaction_id": "t-3"}],
            [PAYMENTS[1] | {"transaction_id": "new"}, PAYMENTS[2] | {"transaction_id": "new"}],
        ):
            assert live.post("/predict", {"data": rows}).status == 409
        assert connection.scalar(text("SELECT count(*) FROM requests")) == before


def test_reasons_name_the_features_that_moved_the_score_most(live: Live) -> None:
    payment = PAYMENTS[3] | {"V14": -12.0}
    found = live.post("/predict?explain=4", payment).json["reasons"]
    assert len(found) == 4
    sizes = [abs(reason["log_odds"]) for reason in found]
    assert sizes == sorted(sizes, reverse=True)
    mine = next(reason for reason in found if reason["feature"] == "V14")
    assert mine["value"] == -12.0
    without = live.post("/predict", payment | {"V14": mine["ordinary"]}).json["fraud_probability"]
    with_it = live.post("/predict", payment).json["fraud_probability"]
    assert (mine["log_odds"] > 0) == (with_it > without)


@pytest.mark.parametrize("label", [True, False, 1, 0])
def test_a_label_by_id_or_by_transaction_is_kept(live: Live, label: Any) -> None:
    given = answer(live, 4, transaction_id=f"labelled-{label!r}")
    for name in {"id": given["id"]}, {"transaction_id": f"labelled-{label!r}"}:
        reply = live.post("/feedback", name | {"actual_label": label})
        assert (reply.status, reply.json["id"], reply.json["actual_label"]) == (200, given["id"], bool(label))
    engine = create_engine(f"sqlite:///{live.root}/requests.db")
    with engine.connect() as connection:
        history = connection.execute(text("SELECT actual FROM feedback WHERE request_id = :id"), {"id": given["id"]})
        assert [row[0] for row in history] == [int(label)] * 2


def test_a_label_by_the_features_goes_to_their_newest_prediction(live: Live) -> None:
    payment = PAYMENTS[5] | {"Amount": 123.25}
    ids = [live.post("/predict", payment).json["id"] for _ in range(2)]
    for word in "true", "False":
        reply = live.post(f"/feedback?actual_label={word}", payment)
        assert (reply.status, reply.json["id"]) == (200, ids[1])


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/feedback", {"id": "nobody", "actual_label": 1}, 404, "no prediction has the id 'nobody'"),
        (
            "/feedback",
            {"transaction_id": "none", "actual_label": 1},
            404,
            "no prediction has the transaction_id 'none'",
        ),
        (
            "/feedback?actual_label=true",
            PAYMENTS[6] | {"Amount": 3.1},
            404,
            "no prediction was made for these features",
        ),
        ("/feedback", {"actual_label": 1}, 422, "found 0 of `id` and `transaction_id`, expected one of them"),
        ("/feedback", {"id": "a", "transaction_id": "b", "actual_label": 1}, 422, "found 2 of `id`"),
        ("/feedback", {"id": "a"}, 422, "field 'actual_label' is missing or no label"),
        ("/feedback", {"id": "a", "actual_label": "yes"}, 422, "field 'actual_label' is missing or no label"),
        ("/feedback", {"id": "a", "actual_label": 2}, 422, "expected true, false, 1 or 0"),
        ("/feedback", {"id": 7, "actual_label": 1}, 422, "field 'id' is no text of 1 to 200 printable characters"),
        ("/feedback", {"id": "a", "label": 1}, 422, "field 'label' is not known; expected id, transaction_id,"),
        ("/feedback", [], 422, "expected an object with `actual_label`"),
        ("/feedback?actual_label=maybe", PAYMENTS[6], 422, "?actual_label is 'maybe', expected true or false"),
        ("/feedback?actual_label=1", {"data": []}, 422, "found a list, expected the features of one payment"),
        ("/predict?extra=yes", PAYMENTS[0], 422, "?extra is 'yes', expected refuse or ignore"),
        ("/predict?explain=some", PAYMENTS[0], 422, "?explain is 'some', expected the number of features to name"),
        ("/predict?explain=3", {"data": PAYMENTS[:1] * 600}, 413, "?explain takes 500 at most; send them in parts"),
        ("/predict", {"data": PAYMENTS[:1] * 1001}, 413, "found 1001 rows, expected 1000 at most"),
        ("/predict", b"{" + b" " * 2**21, 413, "the body is larger than 2097152 bytes (MAX_BODY)"),
        ("/predict", b"{", 400, "the body is no JSON"),
        ("/nowhere", {}, 404, "there is nothing at /nowhere; GET /docs lists what there is"),
        ("/health", {}, 405, "/health does not take POST"),
        ("/invocations", {"rows": []}, 422, "found none of dataframe_split, dataframe_records, instances, inputs"),
        ("/invocations", {"instances": 3}, 422, "field 'instances' is no list of rows"),
        ("/invocations", {"inputs": {}}, 422, "field 'inputs' has no columns"),
        ("/invocations", {"dataframe_split": {"columns": ["V1"], "data": [[1, 2]]}}, 422, "has not one value a column"),
    ],
)
def test_each_refusal_is_a_problem_that_says_what_was_expected(
    live: Live, path: str, body: Any, status: int, said: str
) -> None:
    reply = live.post(path, body)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert said in reply.json["detail"]
    assert reply.json["status"] == status


def test_a_body_of_another_type_is_refused(live: Live) -> None:
    reply = live.post("/predict", b"V1=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (reply.status, reply.json["detail"]) == (
        415,
        "the content type is application/x-www-form-urlencoded, expected application/json",
    )


def test_a_chunked_body_over_the_limit_is_refused_too(live: Live) -> None:
    chunks = (b"[" * 100_000 for _ in range(30))
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    with closing(live.connect()) as connection:
        connection.request("POST", "/predict", chunks, headers)
        assert connection.getresponse().status == 413


def test_the_request_id_of_the_caller_comes_back_and_is_in_the_log(live: Live) -> None:
    reply = live.post("/predict", PAYMENTS[0], headers={"X-Request-Id": "from-the-caller"})
    assert reply.headers["x-request-id"] == "from-the-caller"
    (line,) = [line for line in live.log() if line.get("request_id") == "from-the-caller"]
    assert (line["path"], line["status"], line["method"]) == ("/predict", 200, "POST")


def test_logs_hold_no_features_and_no_tokens(live: Live) -> None:
    live.post("/predict", PAYMENTS[0] | {"Amount": 4321.1234})
    live.post("/predict", PAYMENTS[0] | {"Amount": "4321.1234"})
    written = (live.root / "stdout").read_text() + (live.root / "stderr").read_text()
    assert not [word for word in ("4321.1234", "V14", TOKEN, ADMIN) if word in written]


ROUTES = [
    ("POST", "/predict"),
    ("POST", "/feedback"),
    ("GET", "/model"),
    ("GET", "/metrics"),
    ("GET", "/prometheus"),
    ("GET", "/predictions"),
    ("POST", "/invocations"),
    ("POST", "/reload-model"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_with_data_answers_without_a_token_that_fits(live: Live, method: str, path: str) -> None:
    for token in None, "wrong", TOKEN + "x", TOKEN[:-1], "":
        reply = live.ask(method, path, {} if method == "POST" else None, token=token)
        assert reply.status == 401, (token, reply)
        assert reply.headers["www-authenticate"].startswith("Bearer")


def test_a_caller_may_not_change_the_model_and_an_admin_may_do_all(live: Live) -> None:
    assert live.post("/reload-model").status == 403
    assert live.post("/reload-model", token=ADMIN).status == 200
    assert live.post("/predict", PAYMENTS[0], token=ADMIN).status == 200


def test_every_route_without_a_token_is_one_of_those_that_are_meant_to_be_open(live: Live) -> None:
    app = create_app({"REQUEST_LOG": f"sqlite:///{live.root}/other.db"}, live.root)
    static = {rule.rule for rule in app.url_map.iter_rules() if "<" in rule.rule}
    rules = {rule.rule for rule in app.url_map.iter_rules()} - static
    assert rules == OPEN | {path for _, path in ROUTES}


def test_what_the_start_made_is_out_of_the_garbage_collectors_way(live: Live) -> None:
    gc.unfreeze()
    create_app({"REQUEST_LOG": f"sqlite:///{live.root}/other.db"}, live.root)
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()


def mlflow_bodies() -> list[Any]:
    names = list(PAYMENTS[0])
    rows = [list(payment.values()) for payment in PAYMENTS[:3]]
    return [
        {"dataframe_split": {"index": [0, 1, 2], "columns": names, "data": rows}},
        {"dataframe_records": PAYMENTS[:3]},
        {"instances": PAYMENTS[:3]},
        {"instances": rows},
        {"inputs": rows},
        {"inputs": {name: [payment[name] for payment in PAYMENTS[:3]] for name in names}},
        {"dataframe_records": [payment | {"Class": 1, "Time": 3} for payment in PAYMENTS[:3]]},
    ]


@pytest.mark.parametrize("body", mlflow_bodies(), ids=lambda body: next(iter(body)))
def test_mlflow_clients_get_one_prediction_a_row_in_each_of_their_forms(live: Live, body: Any) -> None:
    expected = Model(CARDS.content).probabilities(CARDS.features[:3]).tolist()
    found = live.post("/invocations", body).json["predictions"]
    assert [one["fraud_probability"] for one in found] == expected
    assert live.get("/ping", token=None).status == 200
    assert live.get("/version", token=None).body == b"3.17.2"


def test_promtool_finds_nothing_wrong_with_the_metrics(live: Live) -> None:
    answer(live, 0)
    page = live.get("/prometheus").body
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_metrics_are_text_for_a_scraper_a_page_for_a_browser_and_json_on_request(live: Live) -> None:
    kinds = {
        "*/*": "text/plain",
        "text/plain;version=0.0.4;q=0.5": "text/plain",
        "application/openmetrics-text;version=1.0.0": "application/openmetrics-text",
        "text/html,application/xhtml+xml,*/*;q=0.8": "text/html",
        "application/json": "application/json",
    }
    for wanted, kind in kinds.items():
        reply = live.get("/metrics", headers={"Accept": wanted})
        assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, kind)


def test_the_contract_and_its_lineage_are_told(live: Live) -> None:
    found = live.get("/model").json
    contract = Model(CARDS.content).contract
    assert (found["model"], found["features"], found["threshold"]) == (CARDS.md5, contract.features, contract.threshold)
    assert found["training_md5"] == contract.training_md5
    assert found["contract"]["profile"].keys() == contract.profile.keys()
    for path in "/health", "/ready":
        told = live.get(path, token=None).json
        assert (told["model"], told["dataset"]) == (CARDS.md5, "creditcard")


def test_live_drift_is_seen_in_served_payments_and_not_before(tmp_path: Path) -> None:
    with running(home(tmp_path)) as server:
        server.post("/predict", {"data": PAYMENTS})
        assert server.metric("drift_detected") == 0
        server.post("/predict", {"data": [payment | {"V4": payment["V4"] + 3} for payment in PAYMENTS * 4]})
        until(lambda: server.metric("drift_detected") == 1)
        until(lambda: server.metric('drift_score{feature="V4"}') > 1)


def test_quality_is_measured_on_the_newest_label_of_each_answer(tmp_path: Path) -> None:
    with running(home(tmp_path)) as server:
        found = server.post("/predict", {"data": PAYMENTS}).json["predictions"]
        said = [one["is_fraud"] for one in found]
        for one in found[:40]:
            server.post("/feedback", {"id": one["id"], "actual_label": not one["is_fraud"]})
            server.post("/feedback", {"id": one["id"], "actual_label": one["is_fraud"]})
        wrong = found[said.index(True)]
        server.post("/feedback", {"id": wrong["id"], "actual_label": False})
        labelled = 40 if wrong in found[:40] else 41
        until(lambda: server.metric("model_accuracy") == (labelled - 1) / labelled)
        assert server.metric("fraud_rate") == sum(said) / len(said)
        trained_on = CARDS.loaded.contract
        outcomes = ("true_positives", "false_positives", "true_negatives", "false_negatives")
        counts = {name: server.metric(f'labelled_answers{{outcome="{name}"}}') for name in outcomes}
        assert (sum(counts.values()), counts["false_positives"], counts["false_negatives"]) == (labelled, 1, 0)
        assert server.metric("training_fraud_rate") == trained_on.training_frauds / trained_on.training_rows
