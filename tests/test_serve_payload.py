"""Bodies become checked rows, or a sentence that names row and field."""

import json
import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import ROOT
from fraud import columns
from fraud.errors import Problem
from fraud.features import matrix
from fraud.schema import Column, Schema, load
from serve import misfits
from serve.payload import Checked, Reader, text
from serve.problems import Refusal

CARDS = load(ROOT / "data/schemas/creditcard.yaml")
PAYMENTS = load(ROOT / "data/schemas/payments.yaml")
SHOP = Schema(
    "shop",
    {
        "order": Column("identifier"),
        "at": Column("time", "date"),
        "price": Column("feature", "number", min=0),
        "items": Column("feature", "integer", min=1, missing=True),
        "kind": Column("feature", "category", categories=("1", "2")),
        "fraud": Column("label", "integer"),
    },
)
READERS = {schema.name: Reader(schema, 100) for schema in (CARDS, PAYMENTS, SHOP)}
CARD = {name: float(place) / 7 for place, name in enumerate(CARDS.features)}
PAYMENT = {
    "amount": 20.5,
    "hour": 3,
    "day_of_week": 6,
    "merchant_category": "travel",
    "previous_amount": None,
    "time_since_last": 12.25,
}


def read(schema: Schema, document: Any, extra: Any = "refuse") -> Checked:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return READERS[schema.name].read(body, extra)


def refused(schema: Schema, document: Any, status: int = 422) -> str:
    with pytest.raises(Refusal) as refusal:
        read(schema, document)
    assert refusal.value.status == status
    refusal.value.response()
    return refusal.value.detail


def test_every_shape_of_a_body_gives_the_same_numbers() -> None:
    names, numbers = list(CARD), list(CARD.values())
    bodies: list[Any] = [
        CARD,
        {name: CARD[name] for name in reversed(names)},
        {"Time": 7, **CARD},
        {"Time": "whatever", **CARD},
        {"transaction_id": "a", **CARD},
        {"data": [CARD]},
        {"data": [numbers]},
        {"data": [[99.0, *numbers]]},
        {"data": [CARD, numbers]},
    ]
    for body in bodies:
        checked = read(CARDS, body)
        assert checked.features[0].tolist() == numbers, body
        assert checked.single == ("data" not in body)


def test_columns_that_are_no_features_are_kept_for_the_log_and_not_scored() -> None:
    checked = read(SHOP, {"order": "o-1", "at": "2026-02-16", "price": 3, "kind": "2", "transaction_id": "t"})
    assert checked.transaction_ids == ["t"]
    np.testing.assert_array_equal(checked.features, [[3.0, np.nan, 1.0]])
    assert json.loads(text(checked.payments[0])) == {
        "order": "o-1",
        "at": "2026-02-16",
        "price": 3,
        "items": None,
        "kind": "2",
    }


def test_a_category_that_looks_like_a_number_may_come_as_one() -> None:
    assert read(SHOP, {"price": 3, "kind": 2}).features[0, 2] == 1.0
    assert read(SHOP, {"data": [["2026-02-16", 3, 4.0, 1]]}).features[0].tolist() == [3.0, 4.0, 0.0]


@pytest.mark.parametrize("name", ["order 7", "Größe-∷", "\u20ff\u200d\u2028", "𝛑" * 200])
def test_a_transaction_id_is_any_short_text_without_control_characters(name: str) -> None:
    assert read(CARDS, CARD | {"transaction_id": name}).transaction_ids == [name]
    for wrong in name + "\n", "\x7f" + name, name + "\x85", name + "\ud800", name + 200 * "x":
        assert "field 'transaction_id'" in refused(CARDS, CARD | {"transaction_id": wrong})


def test_a_row_without_names_may_have_one_value() -> None:
    reader = Reader(Schema("one", {"speed": Column(role="feature", type="number")}), 10)
    assert reader.read(b'{"data": [[1], [2]]}').features.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "tab\t", "transaction_id"])
def test_a_column_that_can_be_no_field_of_a_body_is_a_problem_when_the_model_is_loaded(name: str) -> None:
    with pytest.raises(Problem, match="cannot be the fields of a payment"):
        Reader(Schema("odd", {name: Column(role="feature", type="number")}), 10)


def test_a_zero_has_no_sign() -> None:
    assert math.copysign(1, read(CARDS, CARD | {"V1": -0.0}).features[0, 0]) == 1


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (CARD | {"V3": "1.5"}, "field 'V3' is \"1.5\", a text, expected a number from -1000 to 1000"),
        (CARD | {"V3": True}, "field 'V3' is true, a boolean, expected a number from -1000 to 1000"),
        (CARD | {"V3": None}, "field 'V3' is null, expected a number from -1000 to 1000"),
        (CARD | {"V3": 1001}, "field 'V3' is 1001.0, expected a number from -1000 to 1000"),
        (CARD | {"Amount": -1}, "field 'Amount' is -1.0, expected a number from 0"),
        (CARD | {"Amount": 10**400}, "field 'Amount' is beyond what models can hold, 1e+15; expected a number from 0"),
        (CARD | {"Amount": 2e15}, "field 'Amount' is beyond what models can hold, 1e+15; expected a number from 0"),
        (CARD | {"Amount": [1]}, "field 'Amount' is [1.0], a list, expected a number from 0"),
        (CARD | {"Amont": 1}, "field 'Amont' is not in the contract (did you mean 'Amount'?); take it away, or add"),
        (CARD | {"transaction_id": 7}, "field 'transaction_id' is 7.0, expected a text of 1 to 200 printable"),
        (CARD | {"transaction_id": "a\0"}, "field 'transaction_id' is \"a\\u0000\", expected a text of 1 to 200"),
        (CARD | {"transaction_id": ""}, "field 'transaction_id' is \"\", expected a text of 1 to 200"),
        (CARD | {"\ud800": 1}, "field '\ud800' is not in the contract"),
        ({"V1": 1}, "field 'V2' is missing, expected a number from -1000 to 1000"),
        ({}, "field 'V1' is missing, expected a number from -1000 to 1000"),
        ([CARD], "found a list, expected an object: one payment, or rows in `data`"),
        ("text", "found a text, expected an object: one payment, or rows in `data`"),
        (None, "found null, expected an object: one payment, or rows in `data`"),
        ({"data": CARD}, "field 'data' is {"),
        ({"data": [CARD], "more": 1}, "field 'more' stands beside `data`, expected `data` alone"),
        ({"data": [CARD], "transaction_id": "t"}, "put it into each of the objects in `data`"),
        ({"data": [CARD, 7]}, "data[1] found a number, expected an object of named fields or a list of numbers"),
        ({"data": [CARD, CARD | {"V3": "x"}]}, "data[1], field 'V3' is \"x\", a text, expected a number"),
        ({"data": [[1.0] * 28]}, "data[0] found 28 values, expected 29 values (V1 to Amount), or 30 with Time"),
        ({"data": [["x" * 201, *CARD.values()]]}, "data[0], field 'Time' is \"xxx"),
        ({"data": [[[], *CARD.values()]]}, "data[0], field 'Time' is [], expected a number or a text of at most 200"),
        ({"data": [CARD] * 101}, "found 101 rows, expected 100 at most; send them in parts"),
        ({"data": [list(CARD.values())] * 101}, "found 101 rows, expected 100 at most; send them in parts"),
    ],
)
def test_a_row_that_does_not_fit_is_named_with_what_was_expected(document: Any, said: str) -> None:
    assert said in refused(CARDS, document, 413 if "at most;" in said else 422)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("hour", 2.5, "field 'hour' is 2.5, expected a whole number from 0 to 23"),
        ("hour", 24, "field 'hour' is 24.0, expected a whole number from 0 to 23"),
        (
            "merchant_category",
            "casino",
            "field 'merchant_category' is \"casino\", expected one of grocery, restaurant,",
        ),
        ("merchant_category", None, "field 'merchant_category' is null, expected one of grocery"),
    ],
)
def test_categories_and_whole_numbers_are_checked(field: str, value: Any, said: str) -> None:
    assert said in refused(PAYMENTS, PAYMENT | {field: value})


def test_the_refusal_of_a_row_names_it_for_programs_too() -> None:
    with pytest.raises(Refusal) as refusal:
        read(CARDS, {"data": [CARD, CARD | {"V3": "x"}]})
    assert refusal.value.extra == {"row": 1, "field": "V3"}


def test_a_field_that_is_given_twice_is_refused_wherever_it_stands() -> None:
    card = json.dumps(CARD)
    twice = card[:-1] + ', "V1": 1.0}'
    assert refused(CARDS, twice.encode()) == "field 'V1' is given twice; give each field once"
    assert refused(CARDS, f'{{"data": [{card}, {twice}]}}'.encode()).startswith("data[1], field 'V1' is given twice")
    assert refused(CARDS, f'{{"data": [], "data": [{card}]}}'.encode()).startswith("field 'data' is given twice")
    same = json.dumps(PAYMENT)[:-1] + ', "previous_amount": null}'
    assert refused(PAYMENTS, same.encode()).startswith("field 'previous_amount' is given twice")


def test_more_objects_than_rows_can_hold_are_refused_before_all_are_read() -> None:
    body = b'{"data": [' + b"{}, " * 1_000_000 + b"{}]}"
    started = time.perf_counter()
    assert refused(CARDS, body, 413).startswith(
        "found more than 1100 JSON objects, too many for one request; send it in parts"
    )
    assert time.perf_counter() - started < 1
    nested: dict[str, Any] = CARD | {"note": [{}] * 9}
    assert len(read(CARDS, {"data": [nested] * 100}, "ignore").payments) == 100


def test_a_field_that_is_given_twice_among_many_is_found_at_once() -> None:
    names = ", ".join(f'"{number}": 1' for number in range(100_000))
    started = time.perf_counter()
    assert refused(CARDS, f'{{{names}, "99999": 1}}'.encode()).startswith("field '99999' is given twice")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty, expected an object: one payment, or rows in `data`"),
        (b'{"V1": 1', "the body is no JSON"),
        (b"\xff\xfe{}", "byte 0 of the body is no UTF-8; send JSON in UTF-8"),
        (b'{"V1": NaN}', "the body is no JSON: found NaN; a number that is not known is null"),
        (b'{"V1": -Infinity}', "the body is no JSON: found -Infinity"),
        (b"[" * 200_000, "the body is nested too deeply"),
        (b'{"data": ' * 100_000, "the body is nested too deeply"),
    ],
    ids=["empty", "cut", "no UTF-8", "NaN", "infinity", "deep lists", "deep objects"],
)
def test_a_body_that_is_no_json_is_refused_as_such(body: bytes, said: str) -> None:
    assert said in refused(CARDS, body, 400)


def test_a_refusal_repeats_no_more_than_the_beginning_of_what_a_caller_sent() -> None:
    long = "V1" * 500_000
    for document in {long: 1}, CARD | {"transaction_id": long}, CARD | {"Time": long}, CARD | {"V1": [long] * 3}:
        assert len(refused(CARDS, document)) < 500
    assert len(refused(CARDS, f'{{"{long}": 1, "{long}": 1}}'.encode())) < 500


def test_a_value_is_refused_however_deeply_it_is_nested() -> None:
    for depth in range(700, 1000):  # Somewhere here reading a value works, and writing it does not.
        with pytest.raises(Refusal) as refusal:
            read(CARDS, b'{"V1": ' + b"[" * depth + b"]" * depth + b"}")
        assert "V1" in refusal.value.detail or "nested too deeply" in refusal.value.detail


def test_a_number_that_no_double_holds_is_refused_and_not_rounded_to_infinity() -> None:
    body = json.dumps(CARD | {"Amount": "*"}).replace('"*"', "1e999").encode()
    assert "field 'Amount' is beyond what models can hold" in refused(CARDS, body)


def test_extra_fields_are_ignored_on_request() -> None:
    assert read(CARDS, CARD | {"note": {"a": [1]}}, "ignore").features[0].tolist() == list(CARD.values())
    assert len(read(CARDS, {"data": [CARD | {"Class": 1}]}, "ignore").payments) == 1


def test_a_list_without_rows_is_an_empty_answer_and_no_mistake() -> None:
    checked = read(CARDS, {"data": []})
    assert checked.features.shape == (0, 29)
    assert not checked.single


NUMBER = st.floats(allow_nan=False) | st.integers(-5, 40) | st.sampled_from([0, 1, 10**30])
VALUE = NUMBER | st.none() | st.booleans() | st.sampled_from(["1", "2", "travel", "", "3.5", "a\u2028b"])
KEYS = ["order", "at", "price", "items", "kind", "transaction_id", "other", "data"]


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), VALUE), max_size=8), st.booleans(), st.sampled_from(["refuse", "ignore"])
)
def test_compiled_code_and_the_rules_in_words_agree_on_every_body(
    pairs: list[tuple[str, Any]], listed: bool, extra: Any
) -> None:
    members = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs)
    body = f'{{"data": [{{{members}}}]}}' if listed else f"{{{members}}}"
    assert outcome(lambda reader: reader.read(body.encode(), extra)) == outcome(
        lambda reader: reader.slowly(misfits.parse(body.encode()), extra)
    )


def outcome(call: Any) -> Any:
    try:
        checked = call(READERS[SHOP.name])
    except Refusal as refusal:
        return refusal.status, refusal.detail
    logged = [json.loads(text(payment)) for payment in checked.payments]
    return checked.features.tobytes(), checked.transaction_ids, checked.single, logged


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "amount": st.floats(0, 1e15),
                "hour": st.integers(0, 23),
                "day_of_week": st.integers(0, 6),
                "merchant_category": st.sampled_from(PAYMENTS.columns["merchant_category"].categories),
                "previous_amount": st.none() | st.floats(0, 1e15),
                "time_since_last": st.none() | st.floats(0, 1e15),
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_server_gives_the_model_the_numbers_that_the_pipeline_gives_it(payments: list[dict[str, Any]]) -> None:
    columns = {name: [payment[name] for payment in payments] for name in PAYMENTS.features}
    expected = matrix(columns, PAYMENTS)
    np.testing.assert_array_equal(read(PAYMENTS, {"data": payments}).features, expected)
    listed = [[payment[name] for name in PAYMENTS.features] for payment in payments]
    np.testing.assert_array_equal(read(PAYMENTS, {"data": listed}).features, expected)
    np.testing.assert_array_equal(read(PAYMENTS, payments[0]).features, expected[:1])


def test_the_largest_number_is_that_of_ingest() -> None:
    assert misfits.LARGEST == columns.LARGEST
