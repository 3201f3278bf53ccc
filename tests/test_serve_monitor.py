"""Live drift: ordinary traffic sets off few alarms, changed traffic is seen, and the log is read as it was written."""

import json
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from examples import MIXED
from fraud.calibration import Calibration
from fraud.contract import Contract, profiles, profiles_alike
from fraud.drift_rule import Rule
from fraud.features import Matrix
from fraud.loop.bench.worlds import World, draw, schema_of
from fraud.schema import Schema
from serve.measures.monitor import FEWEST, drift, rows

RULE = Rule(false_alarms_per_year=1, min_effect=0.02, history=8)
WORLD = World("independent", 8000, 6, 0.0)
SIX = schema_of(6)


def contract(weeks: list[Matrix], schema: Schema = SIX) -> Contract:
    """Return the contract of a model that was trained on these weeks."""
    whole = np.concatenate(weeks)
    profile = profiles(whole, schema)
    return Contract(
        schema=schema,
        features=list(schema.features),
        threshold=0.5,
        calibration=Calibration(1.0, 0.0, 0.1),
        model="extra_trees",
        sampler="none",
        seed=7,
        training_md5="0" * 32,
        training_rows=len(whole),
        training_frauds=80,
        profile=profile,
        weeks=[profiles_alike(week, schema, profile) for week in weeks],
    )


def week(seed: int, change: str = "none", size: float = 0.0, world: World = WORLD) -> Matrix:
    return draw(np.random.default_rng(seed), world, change, size).features


KNOWN = contract([week(seed) for seed in range(4)])


def test_ordinary_traffic_is_like_the_training_rows() -> None:
    found = drift(week(99)[:5000], KNOWN, RULE)
    assert (found.detected, found.fired, found.rows) == (False, [], 5000)
    assert found.sentence == "like the training rows"
    assert list(found.scores) == KNOWN.features
    assert max(found.scores.values()) < 1


def test_one_shifted_feature_fires_alone_and_its_score_is_above_one() -> None:
    found = drift(week(99, "shift", 0.5)[:1000], KNOWN, RULE)
    assert found.detected
    assert found.fired == [("values", "v2")]
    assert found.sentence == "unlike the training rows: v2 (values)"
    assert [name for name, score in found.scores.items() if score > 1] == ["v2"]


@pytest.mark.parametrize(
    ("change", "size", "check"),
    [
        ("mix", 0.2, ("values", "shop")),
        ("new", 0.05, ("values", "shop")),
        ("missing", 0.2, ("missing", "gaps")),
        ("missing", 1.0, ("missing", "gaps")),
    ],
)
def test_another_mix_a_new_category_and_a_feature_that_became_null_fire(
    change: str, size: float, check: tuple[str, str]
) -> None:
    found = drift(week(99, change, size)[:2000], KNOWN, RULE)
    assert found.fired == [check]
    assert found.scores[check[1]] > 1


def test_too_few_rows_say_so_and_show_no_score() -> None:
    broken = week(99, "shift", 50)
    assert drift(broken[:FEWEST], KNOWN, RULE).detected
    found = drift(broken[: FEWEST - 1], KNOWN, RULE)
    assert (found.scores, found.detected, found.rows) == ({}, False, FEWEST - 1)
    assert found.sentence == "99 rows are too few to compare; it takes 100"
    assert drift(broken[:0], KNOWN, RULE).rows == 0


@pytest.mark.parametrize("known", [contract([week(0)]), msgspec.structs.replace(KNOWN, weeks=[])], ids=["one", "none"])
def test_where_training_rows_are_one_batch_nothing_can_fire_and_it_says_so(known: Contract) -> None:
    found = drift(week(99, "shift", 50)[:5000], known, RULE)
    assert found.detected is False
    assert 0 < found.scores["v2"] < 1
    assert found.sentence.startswith("nothing can fire: the model was trained on one batch")


def test_only_as_many_training_weeks_as_the_rule_says_tell_what_is_ordinary() -> None:
    jumpy = [week(seed, "shift", size) for seed, size in enumerate([0, 1, 0, 1, 0, 0, 0, 0])]
    changed = week(99, "shift", 0.7)[:1000]
    assert not drift(changed, contract(jumpy), RULE).detected
    assert drift(changed, contract(jumpy), msgspec.structs.replace(RULE, history=4)).detected


def test_what_training_weeks_are_used_to_does_not_fire() -> None:
    restless = World("independent", 8000, 6, 0.2)
    known = contract([week(seed, world=restless) for seed in range(6)])
    windows = [week(seed, world=restless)[:2000] for seed in range(100, 110)]
    assert [drift(one, known, RULE).detected for one in windows] == [False] * 10
    assert sum(drift(one, KNOWN, RULE).detected for one in windows) > 5


def test_a_smaller_number_of_false_alarms_or_a_larger_least_effect_lowers_the_scores() -> None:
    changed = week(99, "shift", 0.3)[:1000]
    usual = drift(changed, KNOWN, RULE).scores["v2"]
    assert drift(changed, KNOWN, Rule(0.01, 0.02, 8)).scores["v2"] < usual
    assert drift(changed, KNOWN, Rule(1, 0.5, 8)).scores["v2"] < usual


def test_ordinary_windows_set_off_no_more_alarms_than_promised() -> None:
    rule, restless = Rule(false_alarms_per_year=4, min_effect=0.001, history=8), World("independent", 8000, 6, 0.05)
    said = []
    for seed in range(0, 1200, 100):
        known = contract([week(seed + other, world=restless) for other in range(4)])
        windows = [week(seed + 50 + place, world=restless)[: 300 + 700 * place] for place in range(6)]
        said += [drift(window, known, rule).detected for window in windows]
    assert sum(said) <= stats.binom.isf(0.01, len(said), rule.weekly_chance)


NUMBERS = st.none() | st.floats(-1e15, 1e15)
LOGGED = st.fixed_dictionaries(
    {
        "amount": st.floats(0, 1e15),
        "shop": st.none() | st.sampled_from(["food", "fuel", "web"]),
        "age": st.none() | st.integers(0, 2**53),
        "country": st.sampled_from(["here", "there"]),
    }
)
SHOPS = contract([np.array([[1.0, 0, 30, 0], [2.0, 1, 40, 1]])], MIXED)


@given(st.lists(LOGGED, max_size=5), st.randoms())
def test_logged_objects_become_the_rows_that_were_scored_whatever_the_order_of_their_names(
    logged: list[dict[str, float | str | None]], order: Random
) -> None:
    texts = [json.dumps(dict(order.sample(list(one.items()), 4))) for one in logged]
    found = rows(texts, SHOPS)
    assert found.shape == (len(logged), 4)
    for one, row in zip(logged, found, strict=True):
        shop, country = (MIXED.features[name].categories for name in ("shop", "country"))
        codes = [np.nan if one["shop"] is None else shop.index(str(one["shop"])), country.index(str(one["country"]))]
        age = np.nan if one["age"] is None else one["age"]
        np.testing.assert_array_equal(row, [one["amount"], codes[0], age, codes[1]])


FITTING = {"amount": 1.5, "shop": "web", "age": 30, "country": "there"}


@pytest.mark.parametrize(
    "other",
    [
        '{"V1": 1.0, "Amount": 2.0}',
        json.dumps({name: value for name, value in FITTING.items() if name != "age"}),
        json.dumps(FITTING | {"shop": "travel"}),
        json.dumps(FITTING | {"amount": "1.5"}),
        json.dumps(FITTING).replace("1.5", "1e999"),
        "[1.5, 2, 30, 1]",
        "null",
        "",
        "{",
    ],
)
def test_a_row_of_another_schema_is_skipped(other: str) -> None:
    expected = np.array([[1.5, 2, 30, 1]] * 2)
    np.testing.assert_array_equal(rows([json.dumps(FITTING), other, json.dumps(FITTING)], SHOPS), expected)


def test_what_else_a_logged_object_holds_is_left_aside() -> None:
    np.testing.assert_array_equal(rows([json.dumps(FITTING | {"seconds": 3})], SHOPS), [[1.5, 2, 30, 1]])


def test_any_name_of_a_column_can_be_read() -> None:
    schema = Schema("odd", {"f1": MIXED.columns["age"], "from where": MIXED.columns["age"], "f0": MIXED.columns["age"]})
    known = contract([np.ones((2, 3))], schema)
    np.testing.assert_array_equal(rows(['{"f0": 1, "f1": 2, "from where": null}'], known), [[2, np.nan, 1]])
