"""make trace REPLAY=1: logged answers against the very model that gave them, to the last bit."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.errors import Problem
from fraud.loop import trace
from fraud.loop.tracing import answers
from fraud.loop.tracing.answers import Answer
from fraud.loop.tracing.replay import Scorer, differences
from fraud.loop.weeks import bounds
from serve.payload import Reader, text
from servers import SCHEMAS, example
from test_train import MODELS
from traces import OTHER, World, ended, enter, log, rows, told


@pytest.mark.parametrize("dataset", ["creditcard", "payments"])
@pytest.mark.parametrize("model", MODELS)
def test_each_kind_of_model_is_replayed_to_the_last_bit_whatever_came_in_one_request(dataset: str, model: str) -> None:
    served = example(dataset, model, min_leaf=20)
    alone = [served.loaded.probabilities(served.features[place:][:1]).item() for place in range(800)]
    given = [row._replace(probability=chance) for row, chance in zip(rows(served, 800), alone, strict=True)]
    given += [row for count in (1, 2, 3, 5, 17, 100) for row in rows(served, count)]
    logged = [Answer(*(getattr(row, field) for field in Answer._fields)) for row in given]
    assert differences(Scorer(served.loaded), logged) == []


FLOATS = st.floats(-1000, 1000)
VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "creditcard": dict.fromkeys(SCHEMAS["creditcard"].features, FLOATS) | {"Amount": st.floats(0, 1e15)},
    "payments": {
        "amount": st.floats(0, 1e15),
        "hour": st.integers(0, 23),
        "day_of_week": st.integers(0, 6),
        "merchant_category": st.sampled_from(SCHEMAS["payments"].columns["merchant_category"].categories),
        "previous_amount": st.none() | st.floats(0, 1e15),
        "time_since_last": st.none() | st.floats(0, 1e15),
    },
}


@pytest.mark.parametrize("dataset", VALUES)
@settings(max_examples=200)
@given(data=st.data())
def test_features_come_back_from_the_log_to_the_last_bit(dataset: str, data: st.DataObject) -> None:
    payment = data.draw(st.fixed_dictionaries(VALUES[dataset]))
    checked = Reader(SCHEMAS[dataset], 1).read(json.dumps(payment).encode())
    again = scorer(dataset).matrix([scorer(dataset).row(text(checked.payments[0]))])
    assert again.tobytes() == checked.features.tobytes()


def scorer(dataset: str, known: dict[str, Scorer] = {}) -> Scorer:  # noqa: B006  # kept from call to call
    return known.setdefault(dataset, Scorer(example(dataset).loaded))


def test_a_week_of_several_models_is_replayed_by_each_of_them(
    world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(world.copy, monkeypatch, url)
    other = example("payments")
    world.copy.keep(other.content)
    times = (
        "2026-10-04 23:59:59.999999",
        "2026-10-05 00:00:00.000000",
        "2026-10-11 23:59:59.999999",
        "2026-10-12 00:00:00.000000",
    )
    given = [row for ts in times for served in (world.model, other) for row in rows(served, 300, ts)]
    log(url, tmp_path, given)
    found = told(capsys, "--week", "2026-W41", "--replay")
    assert (found["from"], found["until"]) == ("2026-10-05T00:00:00.000000Z", "2026-10-12T00:00:00.000000Z")
    assert (found["rows"], found["equal"]) == (1200, 1200)
    assert {one["model"]: one["rows"] for one in found["models"]} == {world.model.md5: 600, other.md5: 600}
    trace.main("--week", "2026-W41", "--replay")
    assert re.match(r"2026-W41: 1200 answers of 2 models .* all equal to the last bit\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"probability": lambda answer: float(np.nextafter(answer.probability, 2))}, "probability"),
        ({"label": lambda answer: 1 - answer.label}, "decision"),
        ({"threshold": lambda answer: float(np.nextafter(answer.threshold, 2))}, "threshold"),
        ({"features": lambda answer: answer.features.replace('"V3"', '"W3"')}, "features"),
        ({"features": lambda _: "{torn"}, "features"),
    ],
)  # fmt: skip
def test_one_bit_that_differs_is_found_among_thousands_and_named(
    change: dict[str, Callable[[Any], Any]],
    what: str,
    inside: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = rows(inside.model, 2000)
    bad = given[1234]
    given[1234] = bad._replace(**{name: made(bad) for name, made in change.items()})
    log(os.environ["REQUEST_LOG"], tmp_path, given)
    found = told(capsys, "--week", "2026-W41", "--replay")
    (one,) = found["models"]
    assert (found["rows"], found["equal"], one["differ"]) == (2000, 1999, {what: 1})
    assert [(each["id"], each["what"]) for each in one["first"]] == [(bad.id, what)]
    code, said = ended("--week", "2026-W41", "--replay")
    assert (code, said) == (3, "replay: 1 of 2000 answers differ, as told above")
    shown = capsys.readouterr().out
    assert "1999 equal (99.9500 %)" in shown
    assert f"{bad.id}  {what} is " in shown
    assert ended(bad.id, "--replay")[0] == 3


def test_answers_under_another_threshold_are_equal_once_it_is_given(
    inside: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [row._replace(threshold=0.0625, label=int(row.probability >= 0.0625)) for row in rows(inside.model, 50)]
    log(os.environ["REQUEST_LOG"], tmp_path, given)
    assert ended(given[0].id, "--replay")[0] == 3
    assert "FRAUD_THRESHOLD was set, set it to that to compare" in capsys.readouterr().out
    monkeypatch.setenv("FRAUD_THRESHOLD", "0.0625")
    trace.main("--week", "2026-W41", "--replay")
    monkeypatch.setenv("FRAUD_THRESHOLD", "high")
    assert ended("--week", "2026-W41", "--replay") == (
        1,
        "FRAUD_THRESHOLD: found 'high', expected a number from 0 to 1",
    )


def test_a_model_that_is_missing_does_not_keep_the_others_of_the_week_from_being_replayed(
    inside: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(os.environ["REQUEST_LOG"], tmp_path, rows(inside.model, 3) + rows(inside.model, 2, model=OTHER))
    found = told(capsys, "--week", "2026-W41", "--replay")
    assert {one["model"]: one["equal"] for one in found["models"]} == {inside.model.md5: 3, OTHER: 0}
    code, said = ended("--week", "2026-W41", "--replay")
    assert code == 1
    assert said.startswith(f"model {OTHER}: is neither in the cache here nor in ")
    assert f"{OTHER}  not scored, as told below\n" in capsys.readouterr().out


def test_a_week_without_answers_is_no_success(inside: World, tmp_path: Path) -> None:
    log(os.environ["REQUEST_LOG"], tmp_path, rows(inside.model, 1))
    code, said = ended("--week", "2026-W42", "--replay")
    assert (code, said) == (
        1,
        "WEEK=2026-W42: the log has no answer from 2026-10-12 until before 2026-10-19; name another week",
    )


def test_a_year_of_53_weeks_has_one() -> None:
    assert bounds("2026-W53") == ("2026-12-28 00:00:00.000000", "2027-01-04 00:00:00.000000")
    with pytest.raises(Problem):
        bounds("2027-W53")


def test_a_week_is_read_in_parts(world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(url, tmp_path, rows(world.model, 100))
    monkeypatch.setattr(answers, "AT_ONCE", 30)
    with answers.opened({"REQUEST_LOG": url}) as connection:
        parts = list(answers.by(connection, world.model.md5, *bounds("2026-W41")))
    assert [len(part) for part in parts] == [30, 30, 30, 10]
