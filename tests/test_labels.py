"""Derived labels: a batch says which they are; they train, and nothing is measured by them."""

import msgspec
import pyarrow as pa
import pytest

from examples import NUMBERS
from fraud.errors import Problem
from fraud.labels import by_source, known_labels
from fraud.stages.ingest import Checked, ingest, summary
from fraud.stages.split import Params, Splits, Window, split

PARAMS = Params(method="time", until=None, weeks=2, test_weeks=1, label_delay_weeks=0, test_fraction=0.5, seed=7)
HEADER = b"seconds,speed,amount,fraud"
LABELS = [b"1,derived", b"0,derived", b"1,feedback", b"0,", b",feedback", b","]


def sourced(name: str = "W1", *labels: bytes) -> Checked:
    lines = [b"%d,1,2,%b" % (second, label) for second, label in enumerate(labels or LABELS)]
    return ingest([HEADER + b",label_source", *lines], NUMBERS, f"{name}.csv")


def plain(name: str) -> pa.Table:
    return ingest([HEADER, b"9,1,2,1", b"9,1,2,0", b"9,1,2,"], NUMBERS, f"{name}.csv").table


def parts(window: Window) -> Splits:
    names = {name for part in window for name in part}
    tables = {name: plain(name) if name == "W0" else sourced(name).table for name in names}
    return split(tables, window, "fraud", PARAMS)


def test_ingest_keeps_the_source_and_no_derived_label_is_known() -> None:
    found = sourced()
    assert found.rejected == []
    assert found.table["label_source"].to_pylist() == ["derived", "derived", "feedback", None, "feedback", None]
    assert found.table["fraud"].to_pylist() == [None, None, 1, 0, None, None]
    assert summary(found, NUMBERS) == {"rows": 6, "kept": 6, "quarantined": 0, "frauds": 1, "unlabelled": 4} | {
        "sources": {
            "derived": {"labels": 2, "frauds": 1},
            "feedback": {"labels": 1, "frauds": 1},
            "delivered": {"labels": 1, "frauds": 0},
        }
    }


def test_derived_labels_train_and_neither_test_nor_current_rows_have_them() -> None:
    for window in Window(["W0", "W1"], ["W2"], ["W3"]), Window(["W1", "W0"], ["W2"], ["W3"]):
        train, test, current = parts(window)
        assert sorted(train["fraud"].to_pylist()) == [0, 0, 0, 1, 1, 1]
        assert known_labels(train, "fraud").null_count == 2
        assert test["fraud"].to_pylist() == [1, 0]
        assert current["fraud"].to_pylist() == [None, None, 1, 0, None, None]


def test_a_stratified_split_tests_on_no_derived_label() -> None:
    for seed in range(5):
        section = msgspec.structs.replace(PARAMS, method="stratified", seed=seed)
        tables = {"W1": sourced("W1", *[b"1,derived", b"0,derived", b"1,feedback", b"0,"] * 5).table}
        found = split(tables, Window(["W1"], ["W1"], []), "fraud", section)
        assert (len(found.train), len(found.test)) == (16, 4)
        assert known_labels(found.test, "fraud").null_count == 0


def test_each_label_is_counted_for_who_gave_it_and_many_small_sources_are_one() -> None:
    lines = [b"1,feedback:token-1", b"0,changed:token-1", b"0,", b"1,derived", b",feedback:token-1"]
    found = by_source(sourced("W1", *lines, *[b"1,feedback:%03d" % number for number in range(40)] * 2).table, "fraud")
    assert len(found) == 21
    assert found["feedback:007"] == (2, 2)
    assert found["others"] == (2 * 20 + 4, 2 * 20 + 2)
    assert sum(given.labels for given in found.values()) == 84
    assert by_source(sourced("W1", *lines).table, "fraud") == {
        "feedback:token-1": (1, 1),
        "changed:token-1": (1, 0),
        "delivered": (1, 0),
        "derived": (1, 1),
    }


@pytest.mark.parametrize("word", [b"guessed", b"derived:token-1", b"Feedback:token-1", b'"feedback:a\nb"'])
def test_a_source_that_is_no_such_word_is_quarantined(word: bytes) -> None:
    assert len(sourced("W1", b"1," + word).rejected) == 1
    found = sourced("W1", b"1,guessed")
    assert found.rejected[0].reason == "label_source is 'guessed', expected one of feedback, changed, derived"


def test_batches_without_sources_keep_the_columns_that_they_had() -> None:
    assert plain("W0").column_names == [*NUMBERS.columns, "batch"]
    assert all(part.column_names == [*NUMBERS.columns, "batch"] for part in parts(Window(["W0"], ["W0"], ["W0"])))


def test_a_source_that_is_there_twice_is_refused() -> None:
    with pytest.raises(Problem, match="column 'label_source' is there 2 times"):
        ingest([HEADER + b",label_source,label_source", b"1,1,2,1,,"], NUMBERS, "W1.csv")
