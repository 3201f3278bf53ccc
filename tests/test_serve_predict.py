"""POST /predict over real HTTP: each shape of a body gets the pipeline's own score, logged before it leaves."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from examples import ROOT
from fraud.scoring import Model
from servers import Live, example, home, running

CARDS = example()
MODELS = ["random_forest", "extra_trees", "logistic_regression", "hist_gradient_boosting"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(home(tmp_path_factory.mktemp("root"))) as server:
        yield server


def rows(live: Live, where: str) -> list[dict[str, Any]]:
    engine = create_engine(f"sqlite:///{live.root}/requests.db")
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM requests WHERE {where}"))  # noqa: S608  # our own words
        return [dict(row._mapping) for row in found]


def test_one_payment_gets_one_answer_and_a_row_in_the_log(live: Live) -> None:
    payment = CARDS.payments()[0]
    reply = live.post("/predict", payment)
    assert reply.status == 200
    answer = reply.json
    assert list(answer) == ["id", "fraud_probability", "is_fraud", "threshold", "model"]
    expected = Model(CARDS.content)
    assert answer["fraud_probability"] == expected.probabilities(CARDS.features[:1])[0]
    assert answer["threshold"] == expected.contract.threshold
    assert answer["model"] == CARDS.md5
    (row,) = rows(live, f"id = '{answer['id']}'")
    assert json.loads(row["features"]) == payment
    assert (row["probability"], row["label"], row["model"]) == (
        answer["fraud_probability"],
        answer["is_fraud"],
        CARDS.md5,
    )
    assert row["latency_ms"] > 0


def test_a_list_gets_an_answer_for_each_of_its_rows_in_their_order(live: Live) -> None:
    payments, expected = CARDS.payments()[:50], Model(CARDS.content).probabilities(CARDS.features[:50])
    named, listed, timed = (
        live.post("/predict", {"data": data}).json
        for data in (payments, [list(payment.values()) for payment in payments], [[0, *p.values()] for p in payments])
    )
    for answer in named, listed, timed:
        assert answer["model"] == CARDS.md5
        assert [one["fraud_probability"] for one in answer["predictions"]] == expected.tolist()
        assert len({one["id"] for one in answer["predictions"]}) == 50
        assert set(answer["predictions"][0]) == {"id", "fraud_probability", "is_fraud", "threshold"}
    assert len(rows(live, f"id >= '{named['predictions'][0]['id'][:12]}'")) >= 150


@pytest.mark.parametrize("dataset", ["creditcard", "payments"])
@pytest.mark.parametrize("model", MODELS)
def test_the_answer_is_the_score_of_the_pipeline_for_each_model_and_data_set(
    dataset: str, model: str, tmp_path: Path
) -> None:
    served = example(dataset, model)
    with running(home(tmp_path, served), WORKERS="1") as server:
        answers = server.post("/predict", {"data": served.payments()}).json["predictions"]
    expected = Model(served.content).probabilities(served.features)
    found = np.array([answer["fraud_probability"] for answer in answers])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    threshold = Model(served.content).contract.threshold
    assert [answer["is_fraud"] for answer in answers] == (expected >= threshold).tolist()
    assert 0 < sum(answer["is_fraud"] for answer in answers) < len(answers)


def test_the_runtime_reports_to_nobody(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import fraud.scoring"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run(words, check=True, env=environment)
    assert not list(tmp_path.rglob("*"))  # It begins with a file that names this machine for its maker.
